"""The columns that ``kubectl get`` shows, and Tables made of them.

Source: kubernetes ``pkg/printers/internalversion/printers.go`` and the printer columns of CRDs.
"""

from collections.abc import Mapping

from aiops_mcp.simulation.kubernetes.cells import (
    AGE,
    NAME,
    Column,
    address_list,
    age,
    container_field,
    data_count,
    event_age,
    event_object,
    human_age,
    job_duration,
    job_status,
    moment_of,
    node_address,
    node_info,
    node_roles,
    node_status,
    of_replicas,
    operator_since,
    path,
    pod_ready,
    pod_restarts,
    pod_status,
    port_list,
    selector_text,
    slice_addresses,
    with_condition,
)
from aiops_mcp.simulation.kubernetes.view import Json

WORKLOAD_WIDE = (
    Column("Containers", container_field("name"), 1),
    Column("Images", container_field("image"), 1),
    Column("Selector", selector_text, 1),
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "pods": (
        NAME,
        Column("Ready", pod_ready),
        Column("Status", pod_status),
        Column("Restarts", pod_restarts),
        AGE,
        Column("IP", path("status", "podIP", default="<none>"), 1),
        Column("Node", path("spec", "nodeName", default="<none>"), 1),
        Column("Nominated Node", path("status", "nominatedNodeName", default="<none>"), 1),
        Column("Readiness Gates", path("spec", "readinessGates", default="<none>"), 1),
    ),
    "nodes": (
        NAME,
        Column("Status", node_status),
        Column("Roles", node_roles),
        AGE,
        Column("Version", node_info("kubeletVersion")),
        Column("Internal-IP", node_address, 1),
        Column("External-IP", path("status", "externalIP", default="<none>"), 1),
        Column("OS-Image", node_info("osImage"), 1),
        Column("Kernel-Version", node_info("kernelVersion"), 1),
        Column("Container-Runtime", node_info("containerRuntimeVersion"), 1),
    ),
    "namespaces": (NAME, Column("Status", path("status", "phase")), AGE),
    "services": (
        NAME,
        Column("Type", path("spec", "type")),
        Column("Cluster-IP", path("spec", "clusterIP")),
        Column("External-IP", path("status", "externalIP", default="<none>")),
        Column("Port(s)", port_list),
        AGE,
        Column("Selector", selector_text, 1),
    ),
    "endpoints": (NAME, Column("Endpoints", address_list), AGE),
    "endpointslices": (
        NAME,
        Column("AddressType", path("addressType")),
        Column("Ports", lambda thing, _: str(thing["ports"][0]["port"])),
        Column("Endpoints", slice_addresses),
        AGE,
    ),
    "deployments": (
        NAME,
        Column("Ready", of_replicas("readyReplicas")),
        Column("Up-to-date", path("status", "updatedReplicas", default=0), 0, "integer"),
        Column("Available", path("status", "availableReplicas", default=0), 0, "integer"),
        AGE,
        *WORKLOAD_WIDE,
    ),
    "replicasets": (
        NAME,
        Column("Desired", path("spec", "replicas"), 0, "integer"),
        Column("Current", path("status", "replicas"), 0, "integer"),
        Column("Ready", path("status", "readyReplicas", default=0), 0, "integer"),
        AGE,
        *WORKLOAD_WIDE,
    ),
    "statefulsets": (NAME, Column("Ready", of_replicas("readyReplicas")), AGE, *WORKLOAD_WIDE[:2]),
    "daemonsets": (
        NAME,
        Column("Desired", path("status", "desiredNumberScheduled"), 0, "integer"),
        Column("Current", path("status", "currentNumberScheduled"), 0, "integer"),
        Column("Ready", path("status", "numberReady"), 0, "integer"),
        Column("Up-to-date", path("status", "updatedNumberScheduled"), 0, "integer"),
        Column("Available", path("status", "numberAvailable"), 0, "integer"),
        Column("Node Selector", path("spec", "template", "nodeSelector", default="<none>")),
        AGE,
        *WORKLOAD_WIDE,
    ),
    "jobs": (
        NAME,
        Column("Status", job_status),
        Column("Completions", lambda job, _: f"{job['status'].get('succeeded', 0)}/1"),
        Column("Duration", job_duration),
        AGE,
    ),
    "cronjobs": (
        NAME,
        Column("Schedule", path("spec", "schedule")),
        Column("Suspend", lambda thing, _: str(thing["spec"]["suspend"])),
        Column("Active", lambda thing, _: len(thing["status"].get("active", [])), 0, "integer"),
        Column(
            "Last Schedule",
            lambda thing, now: human_age(now - moment_of(thing["status"]["lastScheduleTime"])),
        ),
        AGE,
    ),
    "events": (
        Column("Last Seen", event_age),
        Column("Type", path("type")),
        Column("Reason", path("reason")),
        Column("Object", event_object),
        Column("Message", path("message")),
    ),
    "configmaps": (NAME, Column("Data", data_count, 0, "integer"), AGE),
    "secrets": (NAME, Column("Type", path("type")), Column("Data", data_count, 0, "integer"), AGE),
    "persistentvolumeclaims": (
        NAME,
        Column("Status", path("status", "phase")),
        Column("Volume", path("spec", "volumeName")),
        Column("Capacity", path("status", "capacity", "storage")),
        Column("Access Modes", lambda _thing, _: "RWO"),
        Column("StorageClass", path("spec", "storageClassName")),
        AGE,
    ),
    "leases": (NAME, Column("Holder", path("spec", "holderIdentity")), AGE),
    "customresourcedefinitions": (
        NAME,
        Column("Created At", path("metadata", "creationTimestamp")),
    ),
    "clusterversions": (
        NAME,
        Column("Version", path("status", "desired", "version")),
        Column("Available", with_condition("Available")),
        Column("Progressing", with_condition("Progressing")),
        Column("Since", age),
        Column("Status", with_condition("Progressing", "message")),
    ),
    "clusteroperators": (
        NAME,
        Column("Version", lambda thing, _: thing["status"]["versions"][0]["version"]),
        Column("Available", with_condition("Available")),
        Column("Progressing", with_condition("Progressing")),
        Column("Degraded", with_condition("Degraded")),
        Column("Since", operator_since),
        Column("Message", with_condition("Degraded", "message")),
    ),
    "machineconfigpools": (
        NAME,
        Column("Config", path("status", "configuration", "name")),
        Column("Updated", with_condition("Updated")),
        Column("Updating", with_condition("Updating")),
        Column("Degraded", with_condition("Degraded")),
        Column("MachineCount", path("status", "machineCount"), 0, "integer"),
        Column("ReadyMachineCount", path("status", "readyMachineCount"), 0, "integer"),
        AGE,
    ),
    "routes": (
        NAME,
        Column("Host/Port", path("spec", "host")),
        Column("Services", path("spec", "to", "name")),
        Column("Termination", path("spec", "tls", "termination")),
    ),
    "managedclusters": (
        NAME,
        Column("Hub Accepted", lambda thing, _: str(thing["spec"]["hubAcceptsClient"]).lower()),
        Column(
            "Managed Cluster URLs",
            lambda thing, _: thing["spec"]["managedClusterClientConfigs"][0]["url"],
        ),
        Column("Joined", with_condition("ManagedClusterJoined")),
        Column("Available", with_condition("ManagedClusterConditionAvailable")),
        AGE,
    ),
    "certificates": (
        NAME,
        Column("Ready", with_condition("Ready")),
        Column("Secret", path("spec", "secretName")),
        AGE,
        Column("Status", with_condition("Ready", "message"), 1),
    ),
    "sriovnetworknodestates": (NAME, Column("Sync Status", path("status", "syncStatus")), AGE),
    "clusterpolicies": (NAME, Column("Status", path("status", "state")), AGE),
}


def table(plural: str, things: list[Json], now: float, about: Json) -> Json:
    """A ``meta.k8s.io/v1`` Table of objects; ``about`` is the list's metadata."""
    columns = COLUMNS.get(plural, (NAME, AGE))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": about,
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.type,
                "format": "name" if column.name == "Name" else "",
                "description": column.name,
                "priority": column.priority,
            }
            for column in columns
        ],
        "rows": [
            {
                "cells": [column.cell(thing, now) for column in columns],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": thing["metadata"],
                },
            }
            for thing in things
        ],
    }
