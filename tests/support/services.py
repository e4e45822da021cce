"""The sample's services, and their vendors at an address of a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from new_services.fraud.service import fraud
from new_services.inventory.service import inventory
from new_services.notification.service import notification
from new_services.order.service import order
from new_services.payment.service import payment
from new_services.recommendation.service import recommendation
from new_services.search.service import search
from strangler import HttpVendor, Service, Vendor

SERVICES: Mapping[str, Service] = {
    one.name: one for one in (fraud, inventory, payment, notification, search, recommendation, order)
}


def with_vendors(service: Service, **changes: float) -> Service:
    """With `timeout_s` or `key_lifetime_s` of all its vendors changed."""

    def changed(vendor: object) -> object:
        if isinstance(vendor, HttpVendor):
            return replace(vendor, **changes)  # type: ignore[arg-type]  # seconds, both of them
        assert isinstance(vendor, Mapping)
        return {operation: changed(one) for operation, one in vendor.items()}

    return replace(service, vendors={name: changed(vendor) for name, vendor in service.vendors.items()})  # type: ignore[misc]


def vendors_at(url: str, name: str, **changes: float) -> dict[str, Vendor]:
    """The service's vendors as its sender asks them, all at this address."""
    return with_vendors(SERVICES[name], **changes).reached_vendors({"VENDORS_URL": url})
