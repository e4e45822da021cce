import os

from shop.strangling import strangled
from sqlalchemy import Column, Integer, String, create_engine
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

Model = declarative_base()
Session = scoped_session(sessionmaker())


class Order(strangled.Mixin, Model):
    __tablename__ = "shop_orders"

    id = Column(Integer, primary_key=True)
    email = Column(String(120), nullable=False)
    cents = Column(Integer, nullable=False)
    status = Column(String(20), nullable=False, default="new")
    charge_id = Column(String(40))
    receipt = Column(String(20))

    def to_dict(self):
        return {
            "id": self.id,
            "email": self.email,
            "cents": self.cents,
            "status": self.status,
            "charge_id": self.charge_id,
            "receipt": self.receipt,
        }


def connect():
    engine = create_engine(os.environ["DATABASE_URL"])
    Session.configure(bind=engine)
    return engine
