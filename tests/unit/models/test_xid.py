"""XIDs: what a code means, and reading them from the kernel log."""

import pytest

from aiops_mcp.models.xid import XidClass, XidEvent, leading_xid, xid, xid_event


def test_the_catalog() -> None:
    lost = xid(79)
    assert lost is not None
    assert (lost.code, lost.xid_class) == (79, XidClass.HARDWARE)
    assert "fallen off the bus" in lost.meaning
    assert "reboot" in lost.action
    fault = xid(31)
    assert fault is not None
    assert fault.xid_class is XidClass.APPLICATION
    assert [code for code in (144, 150, 155) if xid(code)] == [144, 150, 155]
    assert xid(151) is None
    assert xid(0) is None
    assert [xid(code) and xid(code).code for code in (32, 41, 172)] == [32, 41, 172]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            "NVRM: Xid (PCI:0000:83:00): 79, pid=1234, name=python, GPU has fallen off the bus.",
            XidEvent(
                code=79,
                pci_bus_id="0000:83:00",
                pid=1234,
                process_name="python",
                detail="GPU has fallen off the bus.",
            ),
        ),
        (
            (
                "[12.5] NVRM: Xid (PCI:0000:0b:00): 79, pid='<unknown>', name=<unknown>, GPU is gone, "
                "reboot"
            ),
            XidEvent(code=79, pci_bus_id="0000:0b:00", detail="GPU is gone, reboot"),
        ),
        ("NVRM: Xid (PCI:0000:3b:00): 63", XidEvent(code=63, pci_bus_id="0000:3b:00")),
        (
            "NVRM: Xid (PCI:0000:01:00): 48, DBE (double bit error) ECC Error",
            XidEvent(code=48, pci_bus_id="0000:01:00", detail="DBE (double bit error) ECC Error"),
        ),
        ("NVRM: loading NVIDIA UNIX x86_64 Kernel Module", None),
        ("", None),
    ],
)
def test_lines_of_the_kernel_log(line: str, event: XidEvent | None) -> None:
    assert xid_event(line) == event


def test_the_first_that_is_no_consequence_leads() -> None:
    assert leading_xid((45, 154, 79, 48)) == 79
    assert leading_xid((9999, 79)) == 9999
    assert leading_xid((45, 154)) == 45
    assert leading_xid(()) is None
