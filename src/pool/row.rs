//! Results on their way to JavaScript: one arena of 32-bit words and one text for a whole delivery.
//!
//! A delivery is a sequence of results. A result, 8-byte aligned, in words:
//! `[status, shape, rows, command length, row count as a double (2 words; -1 = none), text length, 0]`, then for a
//! success the lengths of the JSON columns padded to even, then the rows. A row: doubles (two words each), null mask
//! (32 columns a word), then one word for each other column that is not JSON (an integer, or the length of its text),
//! padded to even. The text: command, row texts row by row, then each JSON column as one array. Lengths are in UTF-16
//! units, as JavaScript counts. Status 1 is an error: the text is its description in JSON, of the command's length.

use super::types::Travel;
use super::value::{Done, Malformed, double, fixed, json_value, text_value};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// Words of a result's header.
pub const HEADER: usize = 8;

/// The columns of a result, and where their values lie in a row.
#[derive(Debug)]
pub struct Shape {
    /// Names it to JavaScript, which keeps one compiled decoder a shape.
    pub id: u32,
    /// What JavaScript needs to compile the decoder, as JSON.
    pub description: String,
    columns: Vec<Place>,
    stride: usize,
    mask_at: usize,
    json: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    travel: Travel,
    at: usize,
}

fn is_double(travel: Travel) -> bool {
    use Travel::{Date, Float4, Float8, Timestamp, Timestamptz};
    matches!(travel, Float4 | Float8 | Timestamptz | Timestamp | Date)
}

fn is_json(travel: Travel) -> bool {
    matches!(travel, Travel::Json | Travel::Jsonb | Travel::Array(_))
}

impl Shape {
    /// Lays the columns out.
    pub fn new(id: u32, description: String, travels: &[Travel]) -> Self {
        let doubles = travels.iter().filter(|&&travel| is_double(travel)).count();
        let mask_at = doubles * 2;
        let (mut double_at, mut word_at, mut json) = (0, mask_at + travels.len().div_ceil(32), 0);
        let mut place = |travel| {
            let at = if is_double(travel) {
                double_at += 2;
                double_at - 2
            } else if is_json(travel) {
                json += 1;
                json - 1
            } else {
                word_at += 1;
                word_at - 1
            };
            Place { travel, at }
        };
        let columns = travels.iter().map(|&travel| place(travel)).collect();
        Self { id, description, columns, stride: word_at.next_multiple_of(2), mask_at, json }
    }
}

/// A value in the bytes it was sent in.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Results of one or more statements, ready to be delivered at once.
#[derive(Debug, Default)]
pub struct Delivery {
    /// The arena.
    pub words: Vec<i32>,
    /// The text.
    pub text: String,
    /// The shapes named in the arena.
    pub shapes: Vec<Arc<Shape>>,
}

/// Length in UTF-16 units.
fn units(text: &str) -> i32 {
    let units = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
    i32::try_from(units).unwrap_or(i32::MAX)
}

fn split(double: f64) -> [i32; 2] {
    let bits = double.to_ne_bytes();
    let half = |at: usize| i32::from_ne_bytes([bits[at], bits[at + 1], bits[at + 2], bits[at + 3]]);
    [half(0), half(4)]
}

impl Delivery {
    fn header(&mut self, status: i32, shape: u32, rows: usize, command: &str, count: f64) -> usize {
        let start = self.words.len();
        let [low, high] = split(count);
        self.words.extend([status, shape.cast_signed(), rows as i32, units(command), low, high, 0, 0]);
        self.text.push_str(command);
        start
    }

    /// A delivery of nothing but an error, described in JSON.
    pub fn of_error(description: &str) -> Self {
        let mut delivery = Self::default();
        delivery.error(description);
        delivery
    }

    /// Adds an error, described in JSON.
    pub fn error(&mut self, description: &str) {
        self.header(1, 0, 0, description, -1.0);
    }

    /// Adds a result without columns.
    pub fn command(&mut self, command: &str, count: Option<u64>) {
        self.header(0, 0, 0, command, count.map_or(-1.0, |count| count as f64));
    }

    /// Adds a result. On malformed data nothing is added.
    pub fn result(&mut self, shape: &Arc<Shape>, rows: &[Row], command: &str, count: Option<u64>) -> Done {
        let (words, text) = (self.words.len(), self.text.len());
        let count = count.map_or(-1.0, |count| count as f64);
        let start = self.header(0, shape.id, rows.len(), command, count);
        let done = self.rows(shape, rows, start);
        if done.is_err() {
            self.words.truncate(words);
            self.text.truncate(text);
        } else if !self.shapes.iter().any(|known| known.id == shape.id) {
            self.shapes.push(Arc::clone(shape));
        }
        done
    }

    fn rows(&mut self, shape: &Shape, rows: &[Row], start: usize) -> Done {
        let lengths = self.words.len();
        self.words.resize(lengths + shape.json.next_multiple_of(2), 0);
        self.words.reserve(rows.len() * shape.stride);
        let mut json = vec![String::from("["); shape.json];
        let mut row_units = 0i64;
        for (index, row) in rows.iter().enumerate() {
            let base = self.words.len();
            self.words.resize(base + shape.stride, 0);
            for (column, place) in shape.columns.iter().enumerate() {
                let raw = row.try_get::<_, Option<Raw<'_>>>(column).map_err(|_| Malformed)?;
                if is_json(place.travel) {
                    let out = json.get_mut(place.at).ok_or(Malformed)?;
                    if index > 0 {
                        out.push(',');
                    }
                    match raw {
                        Some(raw) => json_value(place.travel, raw.0, out)?,
                        None => out.push_str("null"),
                    }
                    continue;
                }
                let Some(raw) = raw else {
                    self.words[base + shape.mask_at + column / 32] |= 1 << (column % 32);
                    continue;
                };
                let at = base + place.at;
                match place.travel {
                    Travel::Int(2) => self.words[at] = i32::from(i16::from_be_bytes(fixed(raw.0)?)),
                    Travel::Int(_) | Travel::Oid => self.words[at] = i32::from_be_bytes(fixed(raw.0)?),
                    Travel::Bool => self.words[at] = i32::from(raw.0 == [1]),
                    travel if is_double(travel) => {
                        let [low, high] = split(double(travel, raw.0)?);
                        (self.words[at], self.words[at + 1]) = (low, high);
                    }
                    travel => {
                        let before = self.text.len();
                        text_value(travel, raw.0, &mut self.text)?;
                        self.words[at] = units(&self.text[before..]);
                        row_units += i64::from(self.words[at]);
                    }
                }
            }
        }
        self.words[start + 6] = i32::try_from(row_units).map_err(|_| Malformed)?;
        for (index, column) in json.iter_mut().enumerate() {
            column.push(']');
            self.words[lengths + index] = units(column);
            self.text.push_str(column);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_come_first_and_rows_are_even() {
        let shape = Shape::new(1, String::new(), &[Travel::Text, Travel::Float8, Travel::Json, Travel::Int(4)]);
        let places: Vec<_> = shape.columns.iter().map(|place| place.at).collect();
        assert_eq!((places, shape.mask_at, shape.stride, shape.json), (vec![3, 0, 0, 4], 2, 6, 1));
    }
}
