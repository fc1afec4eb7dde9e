"""Report of an import."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

from optimizer.intake import ImportReport
from optimizer.report.terminal.import_report import MIN_HISTORY_DAYS, render_import
from optimizer.report.terminal.sheet import to_text

REPORT = ImportReport(
    vms=1200,
    policies=1,
    vaults=2,
    samples=34560,
    days=30,
    history_from=date(2026, 1, 1),
    history_to=date(2026, 1, 30),
    history_days=30,
    first=datetime(2026, 1, 1, tzinfo=UTC),
    last=datetime(2026, 1, 30, 23, 55, tzinfo=UTC),
    as_of=datetime(2026, 1, 31, tzinfo=UTC),
    interval_minutes=(5, 15),
    missing_share=0.0,
    duplicates=0,
    clipped=0,
    invalid=0,
    off_grid=0,
    vms_without_load=(),
    load_without_vm=(),
    can_be_applied=True,
    left_out=(),
    notes=(),
)


def text_of(report: ImportReport) -> str:
    """Text of the report on one line."""
    return " ".join(to_text(render_import(report)[0]).split())


def test_the_report_counts_what_was_imported() -> None:
    """Counts with their nouns, the history, and the interval of the samples."""
    text = text_of(REPORT)
    assert "1,200 VMs in 2 vaults with 1 policy; 34,560 samples of load, 30 days written" in text
    assert "The estate now holds 30 days of load, from 2026-01-01 to 2026-01-30 Load" in text
    assert "from 2026-01-01 00:00 to 2026-01-30 23:55 UTC, every 5 or 15 minutes; as of 2026-01-31 00:00 UTC" in text


def test_a_short_history_is_pointed_out() -> None:
    """Less than a week is too little; a week is not."""
    assert "less than a week" in text_of(replace(REPORT, history_days=MIN_HISTORY_DAYS - 1))
    assert "less than a week" not in text_of(replace(REPORT, history_days=MIN_HISTORY_DAYS))


def test_plans_that_cannot_be_applied_are_pointed_out() -> None:
    """An estate without ARM ids is good for questions only."""
    assert "cannot be applied" not in text_of(REPORT)
    assert "Plans of this estate cannot be applied: vms.csv does not hold the ARM ids" in text_of(
        replace(REPORT, can_be_applied=False)
    )


def test_remarks_come_last() -> None:
    """What was left out, then notes."""
    text = text_of(replace(REPORT, left_out=("a lock",), notes=("3 values were clipped",)))
    assert text.endswith("· a lock · 3 values were clipped")


def test_json_has_every_field() -> None:
    """A script gets what the text leaves out."""
    content = json.loads(render_import(REPORT)[1])
    assert content["vms"] == 1200
    assert set(content) == set(ImportReport.__dataclass_fields__)
