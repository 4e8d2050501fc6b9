// Tables sorted by a press on a column's head: numbers as numbers, what is missing last.
"use strict";

function sortKey(row, column) {
  const text = row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  return row.cells[column].matches(".missing") || text === "" ? null : text;
}

function compare(first, second) {
  const numbers = [Number(first), Number(second)];
  if (numbers.every((number) => !Number.isNaN(number))) return numbers[0] - numbers[1];
  return first.localeCompare(second, "en", { numeric: true });
}

function sortBy(table, head) {
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const keyed = [...table.tBodies[0].rows].map((row) => ({ row, key: sortKey(row, head.cellIndex) }));
  keyed.sort((first, second) => {
    if (first.key === null || second.key === null) return (first.key === null) - (second.key === null);
    return (ascending ? 1 : -1) * compare(first.key, second.key);
  });
  table.tBodies[0].append(...keyed.map(({ row }) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head));
  }
}
