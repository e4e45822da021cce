from flask import Flask, jsonify, request

from shop.models import Order, Session, connect
from shop.steps import Refused, charge, receipt


def create_app():
    app = Flask(__name__)
    connect()

    @app.post("/orders")
    def place():
        order = Order(email=request.json["email"], cents=request.json["cents"], status="new")
        Session.add(order)
        Session.flush()
        charge(order)
        order.status = "paid"
        receipt(order)
        Session.commit()
        return jsonify(order.to_dict()), 201

    @app.get("/orders/<int:order_id>")
    def show(order_id):
        order = Session.query(Order).filter_by(id=order_id).first()
        return (jsonify(error="no such order"), 404) if order is None else jsonify(order.to_dict())

    @app.get("/healthz")
    def healthz():
        return jsonify(status="ok")

    @app.errorhandler(Refused)
    def refused(error):
        Session.rollback()
        return jsonify(error=str(error)), 402

    @app.teardown_appcontext
    def close(_):
        Session.remove()

    return app
