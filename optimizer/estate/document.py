"""``estate.json``: its schema and fingerprint, and how it is read and written."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from optimizer.arm import Absence, ArmResources, Source, build_inventory
from optimizer.errors import EstateError
from optimizer.files import Location
from optimizer.model.arm_id import ArmId
from optimizer.model.faults import describe_faults
from optimizer.model.inventory import Inventory
from optimizer.model.load import Metric
from optimizer.model.raw import canonical_json, is_whole_number, parse_json
from optimizer.model.strict import StrictModel, UtcDatetime
from optimizer.model.timegrid import in_calendar
from optimizer.ports import Resource

ESTATE_SCHEMA_VERSION: Final = 1
"""Version of the format of ``estate.json``."""

ESTATE_FILE = "estate.json"


class EstateFile(StrictModel):
    """One Parquet file of the folder.

    Parameters
    ----------
    path
        Relative to the folder, with forward slashes.
    rows, bytes
        Number of rows; size of the file in bytes.
    sha256
        Digest of the file, 64 hexadecimal digits.
    """

    path: str = Field(pattern=r"^(load/date=\d{4}-\d\d-\d\d|jobs)/part-\d{3,}\.parquet$")
    rows: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class LoadPart(EstateFile):
    """Load of some VMs on one UTC day."""

    date: date


class LoadMetadata(StrictModel):
    """Content of the load parts.

    Parameters
    ----------
    columns
        Metrics that any part has; a part may lack some.
    bin_minutes
        Length of a bin; bin ``i`` of a day begins ``i * bin_minutes`` after 00:00 UTC.
    zone
        Parts hold no zone: the date in the path is a UTC day.
    """

    columns: tuple[Metric, ...] = ()
    bin_minutes: Literal[5] = 5
    zone: Literal["UTC"] = "UTC"


class EstateDocument(StrictModel):
    """An estate but for its load and jobs.

    Parameters
    ----------
    created_at
        When the file was written; the only field outside the fingerprint.
    as_of
        When the estate was taken.
    source
        Where it came from: ``vms.csv`` (``import``), ARM resources in files (``resources``), ``demo`` or ``pull``
        (``azure``).
    vaults, policies, protected_items, vms
        Raw ARM resources.
    vault_settings
        Raw ARM resources attached to vaults: Resource Guard proxies, backup configuration, locks; told by ``type``.
    load_gaps
        VMs whose load the source could not or did not give, by VM id: ``no data`` or ``request failed: why``.
    missing_vms
        VMs that a pull looked for and did not find, by VM id, and how. Left out of the file and of the fingerprint
        where nothing was found, so that both are the same as before pulls looked.
    services
        Service by VM id where the source states it outright; it goes before every other rule.
    load, jobs
        The Parquet files that belong to the estate; others in the folder do not.
    """

    schema_version: Literal[1] = ESTATE_SCHEMA_VERSION
    created_at: UtcDatetime
    as_of: Annotated[AwareDatetime, AfterValidator(in_calendar)]
    source: Source
    vaults: tuple[Resource, ...] = ()
    policies: tuple[Resource, ...] = ()
    protected_items: tuple[Resource, ...] = ()
    vms: tuple[Resource, ...] = ()
    vault_settings: tuple[Resource, ...] = ()
    load_gaps: dict[ArmId, str] = Field(default_factory=dict)
    missing_vms: dict[ArmId, Absence] = Field(default_factory=dict)
    services: dict[ArmId, str] = Field(default_factory=dict)
    load_metadata: LoadMetadata = LoadMetadata()
    load: tuple[LoadPart, ...] = ()
    jobs: tuple[EstateFile, ...] = ()

    def resources(self) -> ArmResources:
        """Raw ARM resources of the estate."""
        return ArmResources.of(self)

    def inventory(self, service_from: Sequence[str], *, present: Iterable[str] = ()) -> Inventory:
        """Inventory of the estate: vaults, policies, items and VMs.

        Parameters
        ----------
        service_from
            Sources of a VM's service, in order; the first that the VM has decides.
        present
            Ids of VMs that count as existing even if the estate does not list them, so that moved VMs can be moved
            back.
        """
        return build_inventory(self.resources(), service_from, present=present)

    def fingerprint(self) -> str:
        """``sha256:`` and the digest of the canonical JSON without ``created_at``.

        The document contains the digests of the parts, so the fingerprint covers load and jobs as well.
        """
        content = self._content()
        del content["created_at"]
        return "sha256:" + hashlib.sha256(canonical_json(content)).hexdigest()

    def to_json(self) -> str:
        """Text of ``estate.json``: one line per field, resource and part, so that versions can be compared."""
        lines = []
        for key, value in self._content().items():
            text = _one_line(value)
            if isinstance(value, list) and value:
                text = "[\n    " + ",\n    ".join(map(_one_line, value)) + "\n  ]"
            lines.append(f"  {json.dumps(key)}: {text}")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def _content(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude=set() if self.missing_vms else {"missing_vms"})


def _one_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def read_document(folder: Location) -> EstateDocument:
    """Read the document of an estate folder.

    Raises
    ------
    EstateError
        The folder has no estate, or an estate that is damaged or has a newer schema version.
    """
    file = folder / ESTATE_FILE
    try:
        content = parse_json(file.read_bytes().decode())
    except FileNotFoundError as exc:
        raise EstateError(
            f"{folder} is not an estate folder: it contains no {ESTATE_FILE}; give the folder that 'pull', 'import' "
            "or 'demo' wrote"
        ) from exc
    except NotADirectoryError as exc:
        raise EstateError(f"{folder} is a file, not an estate folder") from exc
    except OSError as exc:
        raise EstateError(f"cannot read {file}: {exc.strerror}; {_advice_on(folder, exc)}") from exc
    except ValueError as exc:
        raise EstateError(f"{file} is not valid JSON ({exc}); it is damaged: import or pull the estate again") from exc
    _check_version(file, content)
    try:
        return EstateDocument.model_validate(content)
    except ValidationError as exc:
        raise EstateError(
            f"{file} is not an estate document: {describe_faults(exc, content)}; import or pull it again"
        ) from exc


def _advice_on(folder: Location, exc: OSError) -> str:
    if isinstance(folder, Path) or exc.errno in {errno.EACCES, errno.EPERM}:
        return "make it readable for this user"
    return "see whether the address is right, whether the storage can be reached, and whether you are signed in to it"


def _check_version(file: Location, content: object) -> None:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not is_whole_number(version) or version < 1:
        raise EstateError(f"{file} is not an estate document: 'schema_version' is {version!r}; allowed: a number >= 1")
    if version > ESTATE_SCHEMA_VERSION:
        raise EstateError(
            f"{file} has schema version {version}, this program reads versions up to {ESTATE_SCHEMA_VERSION}: "
            "upgrade the program"
        )
