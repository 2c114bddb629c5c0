//! What the modules' instances report when somebody scrapes, and what is left of those that are gone.
//!
//! An instance is a *member*; its numbers for one label set are an *entry*; all entries of one label set share a *row*.
//! A row's counter is its base and what its living entries reported last. A number that went down was reset by its
//! owner: what it had reached goes into the base, as does the last report of a member that leaves.

use super::catalogue::{Column, KINDS, Kind, Shape};
use super::exemplar::{Exemplar, Exemplars};
use super::registry::Families;
use super::sparse::Sparse;
use super::{OTHER, cut, model, pair};
use std::collections::HashMap;

/// What a member is called by.
#[derive(Debug)]
struct Member {
    kind: usize,
    name: String,
    /// The number in its name, when it has none of its own.
    number: Option<usize>,
    /// Second label → entry
    entries: HashMap<String, u32>,
}

#[derive(Debug)]
struct Entry {
    kind: usize,
    row: usize,
    last: Vec<f64>,
    sparse: Sparse,
    /// Whether it reported for this scrape: a gauge of long ago says nothing.
    current: bool,
}

#[derive(Debug)]
struct Row {
    name: String,
    label: String,
    base: Vec<f64>,
    sparse: Sparse,
    exemplars: Exemplars,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
    index: HashMap<(String, String), usize>,
    /// Numbers in use for members without a name of their own.
    numbers: Vec<bool>,
}

/// All that was reported.
#[derive(Debug)]
pub struct Reports {
    tables: Vec<Table>,
    members: Vec<Option<Member>>,
    entries: Vec<Option<Entry>>,
    overflows: u64,
}

impl Default for Reports {
    fn default() -> Self {
        let tables = KINDS.iter().map(|_| Table::default()).collect();
        Self { tables, members: Vec::new(), entries: Vec::new(), overflows: 0 }
    }
}

/// The first free place of a list, a new one at its end when all are taken.
fn place<T>(list: &mut Vec<Option<T>>, item: T) -> u32 {
    let at = list.iter().position(Option::is_none).unwrap_or_else(|| {
        list.push(None);
        list.len() - 1
    });
    list[at] = Some(item);
    at as u32
}

impl Reports {
    /// Takes an instance in, under its own name or the class and the smallest free number.
    pub fn join(&mut self, kind: usize, name: Option<&str>) -> u32 {
        let (name, number) = match name {
            Some(name) => (cut(name).to_owned(), None),
            None => {
                let numbers = &mut self.tables[kind].numbers;
                let free = numbers.iter().position(|taken| !taken).unwrap_or(numbers.len());
                numbers.resize(numbers.len().max(free + 1), false);
                numbers[free] = true;
                (format!("{}-{}", KINDS[kind].name, free + 1), Some(free))
            }
        };
        place(&mut self.members, Member { kind, name, number, entries: HashMap::new() })
    }

    /// The name that a member goes by.
    pub fn name(&self, member: u32) -> Option<&str> {
        self.members.get(member as usize)?.as_ref().map(|member| member.name.as_str())
    }

    /// The member's entry for a second label, `""` where its kind has none.
    pub fn entry(&mut self, member: u32, label: &str) -> Option<u32> {
        let label = cut(label);
        let known = self.members.get(member as usize)?.as_ref()?;
        if let Some(&entry) = known.entries.get(label) {
            return Some(entry);
        }
        let (kind, name) = (known.kind, known.name.clone());
        let row = self.row(kind, &name, label);
        let last = vec![0.0; KINDS[kind].width()];
        let entry = place(&mut self.entries, Entry { kind, row, last, sparse: Sparse::default(), current: false });
        self.members[member as usize].as_mut()?.entries.insert(label.to_owned(), entry);
        Some(entry)
    }

    fn row(&mut self, kind: usize, name: &str, label: &str) -> usize {
        let table = &mut self.tables[kind];
        if let Some(&row) = table.index.get(&(name.to_owned(), label.to_owned())) {
            return row;
        }
        let other = if KINDS[kind].label.is_some() { OTHER } else { "" };
        let full = table.rows.len() >= KINDS[kind].most_rows();
        self.overflows += u64::from(full);
        let key = if full { (OTHER.to_owned(), other.to_owned()) } else { (name.to_owned(), label.to_owned()) };
        *table.index.entry(key).or_insert_with_key(|(name, label)| {
            let base = vec![0.0; KINDS[kind].width()];
            let (name, label) = (name.clone(), label.clone());
            table.rows.push(Row { name, label, base, sparse: Sparse::default(), exemplars: Exemplars::default() });
            table.rows.len() - 1
        })
    }

    /// Takes the member out; what its entries counted stays in their rows.
    pub fn leave(&mut self, member: u32) {
        let Some(gone) = self.members.get_mut(member as usize).and_then(Option::take) else { return };
        let table = &mut self.tables[gone.kind];
        if let Some(number) = gone.number {
            table.numbers[number] = false;
        }
        for entry in gone.entries.into_values() {
            let Some(entry) = self.entries.get_mut(entry as usize).and_then(Option::take) else { continue };
            let row = &mut table.rows[entry.row];
            for (at, shape) in cells(&KINDS[entry.kind]) {
                if shape != Shape::Gauge {
                    row.base[at] += entry.last[at];
                }
            }
            row.sparse.merge(&entry.sparse);
        }
    }

    /// Before the reports of a scrape.
    pub fn begin(&mut self) {
        for entry in self.entries.iter_mut().flatten() {
            entry.current = false;
        }
    }

    /// Takes in reports laid one after the other: an entry's number, then its numbers. What follows a number that is no
    /// entry cannot be read.
    pub fn read(&mut self, values: &[f64]) {
        let mut rest = values;
        while let Some((&number, after)) = rest.split_first() {
            let Some(Some(entry)) = self.entries.get(number as usize) else { return };
            let width = entry.last.len();
            let Some((report, after)) = after.split_at_checked(width) else { return };
            self.report(number as u32, report, None);
            rest = after;
        }
    }

    /// An entry's numbers. They may be fewer than its columns have: the gauges at the end are left out then.
    pub fn report(&mut self, entry: u32, values: &[f64], sparse: Option<Sparse>) {
        let Some(Some(entry)) = self.entries.get_mut(entry as usize) else { return };
        let row = &mut self.tables[entry.kind].rows[entry.row];
        entry.current = true;
        for (at, shape) in cells(&KINDS[entry.kind]) {
            let Some(&value) = values.get(at) else { break };
            // A caller may have put anything into a public statistics object.
            if shape == Shape::Gauge {
                entry.last[at] = value;
            } else if value.is_finite() && value >= 0.0 {
                if value < entry.last[at] {
                    row.base[at] += entry.last[at];
                }
                entry.last[at] = value;
            }
        }
        if let Some(sparse) = sparse {
            entry.sparse = sparse;
        }
    }

    /// An exemplar for the histogram of a member's entry, if there is such an entry.
    pub fn exemplar(&mut self, member: u32, label: &str, bucket: usize, exemplar: Exemplar) {
        let Some(Some(member)) = self.members.get(member as usize) else { return };
        let Some(&entry) = member.entries.get(cut(label)) else { return };
        let Some(Some(entry)) = self.entries.get(entry as usize) else { return };
        self.tables[entry.kind].rows[entry.row].exemplars.keep(bucket, exemplar);
    }

    /// Label sets that found their table full.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Adds every row to the families.
    pub fn gather(&self, families: &mut Families) {
        let totals = self.totals();
        for ((kind, table), totals) in KINDS.iter().zip(&self.tables).zip(&totals) {
            for (row, total) in table.rows.iter().zip(totals) {
                let mut at = 0;
                for column in kind.columns {
                    let cells = &total.values[at..at + column.shape.width()];
                    at += column.shape.width();
                    if column.shape == Shape::Gauge && !total.current {
                        continue;
                    }
                    let sparse = kind.label.is_some().then_some(&total.sparse);
                    families.add(column, metric(kind, column, row, cells, sparse));
                }
            }
        }
    }

    /// What each row's living entries and its base come to.
    fn totals(&self) -> Vec<Vec<Total>> {
        let of_row = |row: &Row| Total { values: row.base.clone(), sparse: row.sparse.clone(), current: false };
        let mut totals: Vec<Vec<Total>> =
            self.tables.iter().map(|table| table.rows.iter().map(of_row).collect()).collect();
        for entry in self.entries.iter().flatten() {
            let total = &mut totals[entry.kind][entry.row];
            total.current |= entry.current;
            for (at, shape) in cells(&KINDS[entry.kind]) {
                if shape != Shape::Gauge || entry.current {
                    total.values[at] += entry.last[at];
                }
            }
            total.sparse.merge(&entry.sparse);
        }
        totals
    }
}

struct Total {
    values: Vec<f64>,
    sparse: Sparse,
    current: bool,
}

/// The numbers of a report: place and shape.
fn cells(kind: &Kind) -> impl Iterator<Item = (usize, Shape)> {
    kind.columns.iter().flat_map(|column| std::iter::repeat_n(column.shape, column.shape.width())).enumerate()
}

fn metric(kind: &Kind, column: &Column, row: &Row, cells: &[f64], sparse: Option<&Sparse>) -> model::Metric {
    // An empty label is none.
    let named = !row.name.is_empty();
    let mut label: Vec<_> = named.then(|| pair("name", &row.name)).into_iter().collect();
    label.extend(kind.label.map(|name| pair(name, &row.label)));
    label.extend(column.label.map(|(name, value)| pair(name, value)));
    let mut metric = model::Metric { label, ..model::Metric::default() };
    match column.shape {
        Shape::Counter => metric.counter = Some(model::Counter { value: cells[0], ..model::Counter::default() }),
        Shape::Gauge => metric.gauge = Some(model::Gauge { value: cells[0] }),
        Shape::Histogram => metric.histogram = Some(histogram(cells, sparse, &row.exemplars)),
    }
    metric
}

fn histogram(cells: &[f64], sparse: Option<&Sparse>, exemplars: &Exemplars) -> model::Histogram {
    let bounds = super::catalogue::BOUNDS.iter().copied().chain([f64::INFINITY]);
    let mut cumulative_count = 0;
    let bucket = bounds.zip(cells).map(|(upper_bound, &count)| {
        cumulative_count += count as u64;
        model::Bucket { cumulative_count, upper_bound, ..model::Bucket::default() }
    });
    let bucket = bucket.collect();
    let sample_sum = cells.last().copied().unwrap_or_default();
    let mut histogram =
        model::Histogram { sample_count: cumulative_count, sample_sum, bucket, ..model::Histogram::default() };
    if let Some(sparse) = sparse {
        sparse.write(&mut histogram);
    }
    exemplars.attach(&mut histogram);
    histogram
}
