"""ARM ids are taken apart strictly."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer.errors import DataError
from optimizer.model.arm_id import NO_ID, ArmId, ItemId, PolicyId, VaultId, VmId

GUID = "11111111-2222-4333-8444-555555555555"
GROUP = f"/subscriptions/{GUID}/resourceGroups/rg-b.(1)_x"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/rsv-1"
NAME = "iaasvmcontainerv2;rg-app;vm-1"
ITEM = f"{VAULT}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{NAME}/protectedItems/VM;{NAME}"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm-1"
KINDS = {VaultId: VAULT, PolicyId: f"{VAULT}/backupPolicies/Daily-2000!_x", ItemId: ITEM, VmId: VM}


def test_segments_are_as_written() -> None:
    """Spelling is kept, and the parts are those of the id."""
    item = ItemId.parse(ITEM.replace("resourceGroups", "resourcegroups").replace("rsv-1", "RSV-1"))
    assert (item.name, item.container, item.fabric) == (f"VM;{NAME}", f"IaasVMContainer;{NAME}", "Azure")
    assert (item.vault.name, item.resource_group, item.subscription) == ("RSV-1", "rg-b.(1)_x", GUID)
    policy = PolicyId.parse(KINDS[PolicyId])
    assert (policy.name, str(policy.vault)) == ("Daily-2000!_x", VAULT)
    assert VmId.parse(VM).name == "vm-1"
    assert VmId.parse(VM.replace("rg-b", "größe")).resource_group == "größe.(1)_x"


@pytest.mark.parametrize("kind", KINDS)
def test_case_does_not_count(kind: type[VaultId | PolicyId | ItemId | VmId]) -> None:
    """Keywords are known in any case, and the ids are equal."""
    text = KINDS[kind]
    assert kind.parse(text.upper()).text == kind.parse(text.lower()).text == kind.parse(text).text
    assert str(kind.parse(text)) == text


@pytest.mark.parametrize("kind", KINDS)
def test_any_id_has_the_parts_of_a_parsed_one(kind: type[VaultId | PolicyId | ItemId | VmId]) -> None:
    """Name, subscription, resource group and vault agree with strict parsing, in any spelling."""
    for text in (KINDS[kind], KINDS[kind].upper(), KINDS[kind].lower()):
        parsed, found = kind.parse(text), ArmId(text)
        assert (found.name, str(found.subscription), str(found.resource_group)) == (
            parsed.name,
            parsed.subscription,
            parsed.resource_group,
        )
        vault = parsed.vault.text if isinstance(parsed, PolicyId | ItemId) else NO_ID
        assert (found.vault, str(found.vault)) == (vault, str(vault))


def test_names_of_an_imported_file_are_ids_without_parts() -> None:
    """A plain name is its own name; everything else is empty."""
    found = ArmId("VM-1")
    assert (found.name, found.vault, found.subscription, found.resource_group) == ("VM-1", "", "", "")
    assert (NO_ID.name, NO_ID.vault) == ("", "")


def test_an_id_lies_below_the_ids_that_it_continues() -> None:
    """Case does not matter, whole segments do."""
    assert ArmId(ITEM).is_below(VAULT.upper())
    assert not ArmId(VAULT).is_below(VAULT)
    assert not ArmId(VAULT + "2/backupPolicies/a").is_below(VAULT)


@given(st.lists(st.text(alphabet="aBİ;- ", max_size=4), max_size=7))
def test_the_parts_of_any_text_are_found_by_a_plain_loop(segments: list[str]) -> None:
    """Parts are those of the obvious search over the segments, whatever the text is."""
    text = "/".join([*segments, "BackupPolicies", *segments[:2], "backuppolicies", "x"])
    found, position = ArmId(text), text.lower().rfind("/backuppolicies/")
    assert str(found.above("backupPolicies")).lower() == text.lower()[: max(position, 0)]
    assert (
        str(found.segment("BACKUPPOLICIES"))
        == [*text.split("/"), ""][text.lower().split("/").index("backuppolicies") + 1]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_of_another_kind_is_none(kind: type[VaultId | PolicyId | ItemId | VmId]) -> None:
    """Each kind takes its own ids only, and says whose id it is not."""
    for other, text in KINDS.items():
        if other is not kind:
            with pytest.raises(DataError, match="is no id of a"):
                kind.parse(text)


BAD = [
    "",
    "/",
    "vm-1",
    None,
    17,
    VAULT + "/",
    VAULT + "\n",
    "\n" + VAULT,
    VAULT + "?api-version=1",
    VAULT + "#x",
    VAULT.replace("rsv-1", ".."),
    VAULT.replace("rsv-1", "a/../b"),
    VAULT.replace("rsv-1", "a%2fb"),
    VAULT.replace("rsv-1", "a\x00b"),
    VAULT.replace("rsv-1", "a b"),
    VAULT.replace("rsv-1", "{x}"),
    VAULT.replace("rsv-1", "x" * 51),
    VAULT.replace("rsv-1", "rsv-\u212a"),
    VAULT.replace(GUID, "x"),
    VAULT.replace(GUID, GUID + "0"),
    VAULT.replace("rg-b.(1)_x", "rg."),
    VAULT.replace("rg-b.(1)_x", "a..b"),
    VAULT.replace("rg-b.(1)_x", "r" * 91),
    VAULT.replace("RecoveryServices", "DataProtection"),
    VAULT.replace("Microsoft.", "MicrosoftX"),
    "https://management.azure.com" + VAULT,
    "/" + VAULT,
    VAULT.replace("/subscriptions", "/\u017fubscriptions"),
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_id_is_refused(text: object) -> None:
    """Whatever could lead elsewhere than to a vault is refused, by itself and as the beginning of another id."""
    with pytest.raises(DataError, match="is no id of a vault"):
        VaultId.parse(text)
    with pytest.raises(DataError, match="is no id of a backup policy"):
        PolicyId.parse(f"{text}/backupPolicies/daily")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a%b", "a?b", "a#b", "a\\b", "a..b", " a", "a ", "x" * 151, "é"]
)
def test_names_of_policies_are_azures(name: str) -> None:
    """Letters, digits and a few marks, up to 150."""
    with pytest.raises(DataError):
        PolicyId.parse(f"{VAULT}/backupPolicies/{name}")


def accepted_name(kind: type[VaultId | PolicyId | ItemId | VmId], text: str) -> str:
    """Name in an id; empty if the id is refused."""
    try:
        return kind.parse(text).name
    except DataError:
        return ""


HARMLESS = st.text(st.sampled_from("aZ0-_"), min_size=1, max_size=6)
MARKS = st.one_of(
    st.just(""), st.sampled_from("-_.()"), st.text(st.sampled_from("_.;!()/%?#\\ {}\n\t:@ß"), max_size=3)
)


@given(st.tuples(HARMLESS, MARKS, HARMLESS).map("".join), st.sampled_from(list(KINDS)))
def test_nothing_dangerous_gets_through(part: str, kind: type[VaultId | PolicyId | ItemId | VmId]) -> None:
    """No segment of an id that was taken has a mark that means something in a URL or a path."""
    name = accepted_name(kind, KINDS[kind] + part)
    assume(name)
    assert not set("/%?#\\{}\n\t:@") & set(name)
    assert ".." not in name


def test_a_long_id_is_cut_in_the_message() -> None:
    """A file full of rubbish does not become a message of the same size."""
    with pytest.raises(DataError) as caught:
        VmId.parse("x" * 10_000)
    assert len(str(caught.value)) < 700
