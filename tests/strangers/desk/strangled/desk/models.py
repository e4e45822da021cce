from desk.strangling import strangled
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class Booking(strangled.Mixin, db.Model):
    __tablename__ = "bookings"

    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(120), nullable=False)
    desk = db.Column(db.String(40), nullable=False)
    day = db.Column(db.String(10), nullable=False)
    total_cents = db.Column(db.Integer, nullable=False)
    status = db.Column(db.String(20), nullable=False, default="booked")

    def to_dict(self):
        return {
            "id": self.id,
            "desk": self.desk,
            "day": self.day,
            "total_cents": self.total_cents,
            "status": self.status,
        }
