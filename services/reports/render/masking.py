"""Masked users, for files: they can be told apart, but not contacted.

Invariant: no file shows a user in full unless somebody who may see people asked for that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from common.leads.masking import masked_user
from common.rating.line import Line
from common.reports.lines import LineFile
from common.reports.model import Group, Report


def with_masked_users(report: Report) -> Report:
    """A report with every user masked; its lines stay a stream."""
    by_user = [_masked_group(group) for group in report.parts.by_user]
    by_lead = [_masked_group(group) for group in report.parts.by_lead]
    return replace(
        report,
        parts=report.parts._replace(by_user=by_user, by_lead=by_lead),
        lines=_masked_lines(report.lines),
        prior_period=list(_masked_lines(report.prior_period)),
    )


def with_masked_lines(file: LineFile) -> LineFile:
    """A file of lines with every user masked; its lines stay a stream."""
    return replace(file, lines=_masked_lines(file.lines))


def _masked_lines(lines: Iterable[Line]) -> Iterator[Line]:
    return (
        line if line.user is None else line._replace(user=masked_user(line.user)) for line in lines
    )


def _masked_group(group: Group) -> Group:
    user = group.members["user"]
    return (
        group
        if user is None
        else replace(group, members=group.members | {"user": masked_user(user)})
    )
