"""The HTML page: one file that fetches nothing."""

from typing import Any

from netspec.report.templates import render
from netspec.verify.model import Observation, Run, Status, explain
from netspec.verify.report.data import as_json, observation_json
from netspec.verify.report.matrix import LEGEND, Cell, mark, tables


def as_html(run: Run) -> str:
    return render(
        "verification.html.j2",
        data=as_json(run),
        tables=[_table_data(t.title, t.rows, t.columns, t.cells) for t in tables(run)],
        unexpected={o.probe.id: explain(o) for o in run.unexpected},
        rows=[_row(o) for o in sorted(run.observations, key=_worst_first)],
        legend=LEGEND,
        statuses=[(s.value, run.count(s)) for s in (Status.WRONG, Status.CHECK_FAILED, Status.SEEN, Status.PASS)],
    )


def _worst_first(observation: Observation) -> int:
    return [Status.WRONG, Status.CHECK_FAILED, Status.SEEN, Status.PASS].index(observation.status)


def _table_data(
    title: str, rows: tuple[str, ...], columns: tuple[str, ...], cells: dict[tuple[str, str], Cell]
) -> dict[str, Any]:
    def cell(row: str, column: str) -> dict[str, str]:
        found = cells.get((row, column), Cell())
        status = found.status
        return {"text": found.text, "status": status.value if status else "none", "tip": _tip(found)}

    return {
        "title": title,
        "columns": columns,
        "rows": [{"name": row, "cells": [(c, cell(row, c)) for c in columns]} for row in rows],
    }


def _tip(cell: Cell) -> str:
    out = []
    for observation in cell.observations:
        row = _row(observation)
        out.append(f"{row['what']}: expected {row['expect']}, saw {row['observed']}\n{row['why']}".strip())
    return "\n".join(out)


def _row(observation: Observation) -> dict[str, Any]:
    """One line of the table of all probes, ready to print."""
    probe = _described(observation)
    data = probe["data"]
    expect, seen = data.get("expect"), data.get("observed")
    return {
        "status": data["status"],
        "kind": data.get("via") or data.get("record") or data.get("fact"),
        "what": probe["what"],
        "expect": _words(expect),
        "observed": _words(seen),
        "why": probe["why"],
        "detail": data["detail"],
        "from": data["askedFrom"],
        "attempts": data["attempts"],
        "mark": mark(observation) if data["kind"] == "flow" else "",
    }


def _described(observation: Observation) -> dict[str, Any]:
    data = observation_json(observation)
    if data["kind"] == "flow":
        what = f"{data['source']} → {data['destination']}:{data['port']}/{data['protocol']}"
        if data.get("nodes", "every") != "every":
            what += f" ({data['nodes'].replace('-', ' ')})"
        places = {d["sameNode"] for d in data["dials"]} - {None}
        near = {True: "same node", False: "other node"}
        why = [", ".join(data["deciding"]), data["reason"], ", ".join(near[p] for p in sorted(places, reverse=True))]
        if data["control"] and data["observed"] == "timed-out":
            why.append(f"control: {data['control']}")
        return {"data": data, "what": what, "why": " · ".join(w for w in why if w)}
    if data["kind"] == "packets":
        what = f"a payload of more than one packet, {data['protocol']}, between each pair of nodes"
        return {"data": data, "what": what, "why": ""}
    if data["kind"] == "dns":
        return {"data": data, "what": f"{data['source']} looks up {data['name']}", "why": ""}
    return {"data": data, "what": f"{data['subject']} {data.get('peer', '')}".strip(), "why": ""}


def _words(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_words(v)}" for key, v in value.items())
    text = str(value)
    return text if "\n" not in text else f"a text of {len(text.splitlines())} lines"
