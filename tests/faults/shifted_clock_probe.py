"""Prints the wall clock that a process sees."""

import sys
import time

sys.stdout.write(f"{time.time()}\n")
