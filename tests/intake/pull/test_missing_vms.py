"""VMs that the directory does not list are looked for one by one, as few as possible."""

from __future__ import annotations

import pytest

from optimizer.errors import AuthError, CloudError, DataError, ForbiddenError
from optimizer.intake.pull.missing_vms import MOST_LOOKS, look_for
from optimizer.model.arm_id import ArmId
from optimizer.ports import Resource


def vm(group: str, name: str) -> str:
    return f"/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"


class Azure:
    """Answers by VM: a resource, None, or an error."""

    def __init__(self, **answers: object) -> None:
        self.answers, self.asked = answers, list[str]()

    def __call__(self, vm_id: str) -> Resource | None:
        """The answer for the name of a VM."""
        name = ArmId(vm_id).name
        self.asked.append(name)
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return {"id": vm_id} if answer else None


def test_each_answer_means_something_else() -> None:
    """404 and ids that no VM can have mean gone; 403 and failures say nothing."""
    azure = Azure(a=True, b=None, c=ForbiddenError("HTTP 403"), d=DataError("no id"), e=CloudError("HTTP 500"))
    looked = look_for([vm(name, name) for name in "abcde"], azure)
    assert looked.found == {ArmId(vm("a", "a")): {"id": vm("a", "a")}}
    assert {vm_id.name: how for vm_id, how in looked.missing.items()} == {
        "b": "gone", "c": "hidden", "d": "gone", "e": "hidden",
    }  # fmt: skip
    assert looked.troubles == {ArmId(vm("e", "e")): "HTTP 500"}


def test_a_closed_group_is_asked_once() -> None:
    """Rights are granted for groups, so one refusal answers for all VMs of the group."""
    azure = Azure(**{name: ForbiddenError("HTTP 403") for name in "abc"})
    looked = look_for([vm("one", "a"), vm("ONE", "b"), vm("two", "c")], azure)
    assert sorted(azure.asked) == ["b", "c"] or sorted(azure.asked) == ["a", "c"]
    assert set(looked.missing.values()) == {"hidden"} and len(looked.missing) == 3


def test_a_failure_does_not_close_a_group() -> None:
    """A request that failed says nothing about the next VM."""
    azure = Azure(a=CloudError("HTTP 500"), b=True)
    assert len(look_for([vm("one", "a"), vm("one", "b")], azure).found) == 1


def test_a_refused_sign_in_stops_everything() -> None:
    """Without a sign-in, every other request would fail too."""
    with pytest.raises(AuthError):
        look_for([vm("one", "a")], Azure(a=AuthError("signed out")))


def test_there_is_a_limit_to_looking() -> None:
    """A list that lacks hundreds of VMs is wrong; the rest are treated as hidden, with one remark."""
    azure = Azure()
    looked = look_for([vm(f"g{number}", f"v{number:04d}") for number in range(MOST_LOOKS + 5)], azure)
    assert len(azure.asked) == MOST_LOOKS
    assert list(looked.missing.values()).count("hidden") == 5
    assert list(looked.troubles.values()) == ["more are not listed, and were not asked for"]
