"""Hand-back: after a demotion, subjects that the new side has not started return to legacy, audited and resumable."""

from strangler.hand_back.run import HandBack, count_unstarted, hand_back

__all__ = ["HandBack", "count_unstarted", "hand_back"]
