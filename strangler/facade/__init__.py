"""The proxy in front of the application: reads, claims, pins, forwards, keeps the answer."""
