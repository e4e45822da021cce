"""What people do to a consumer: look and set. `outbox` has these verbs, and `strangler` the same ones."""
