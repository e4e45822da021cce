"""A customer to try with: `python book.py ann@example.com Monday` books a desk through the facade of `strangler up`."""

import json
import sys
from pathlib import Path

import requests

addresses = json.loads(Path(".strangler/stack.json").read_text())["environ"]
booking = {"email": sys.argv[1], "day": sys.argv[2]}
answer = requests.post(addresses["FACADE_URL"] + "/checkout", json=booking, timeout=30)
print(answer.status_code, answer.text.strip())
