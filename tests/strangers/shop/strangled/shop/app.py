from flask import Flask, jsonify, request
from shop.models import Order, Session, connect
from shop.steps import Refused, charge
from shop.strangling import strangled


def create_app():
    app = Flask(__name__)
    connect()
    strangled.init_app(app, Session, Order)

    @app.post("/orders")
    def place():
        order = Order(email=request.json["email"], cents=request.json["cents"], status="new")
        Session.add(order)
        Session.flush()
        strangled.created(order, "OrderMade", order.to_dict)
        return strangled.run(order, charge, answer=Order.to_dict)

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
