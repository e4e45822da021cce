"""The new side of the announcement: each project that was added is told on the message bus."""

from fedora_messaging import api, message

from strangler import Call, Event, FunctionVendor, Policy, Service


def publish(key, operation, body):
    topic = f"anitya.{body['topic']}"
    told = message.get_class(topic)(topic=topic, body=body["body"])
    told.id = key
    api.publish(told)


def decide(event: Event) -> list[Call]:
    return [Call("bus", "publish", event.json())]


announce = Service(
    "announce",
    on=("ProjectAdded",),
    decide=decide,
    policy=Policy.lossless(deadline_s=3600, guard="subscribers know a message by its id"),
    vendors={"bus": FunctionVendor(publish, key_lifetime_s=86_400)},
)
