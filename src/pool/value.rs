//! Values in PostgreSQL's binary format, as doubles, text and JSON.

use super::types::{Element, Travel};
use std::fmt::Write;

/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i64 = 10_957;

/// A value that is not what its type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

pub(super) type Done = Result<(), Malformed>;

pub(super) fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], Malformed> {
    raw.try_into().map_err(|_| Malformed)
}

/// Milliseconds, cut as a JavaScript date cuts them.
fn millis(raw: &[u8]) -> Result<f64, Malformed> {
    Ok(match i64::from_be_bytes(fixed(raw)?) {
        i64::MAX => f64::INFINITY,
        i64::MIN => f64::NEG_INFINITY,
        micros => micros.saturating_add(EPOCH_MICROS).div_euclid(1000) as f64,
    })
}

pub(super) fn double(travel: Travel, raw: &[u8]) -> Result<f64, Malformed> {
    Ok(match travel {
        Travel::Float4 => shortest(f32::from_be_bytes(fixed(raw)?)),
        Travel::Float8 => f64::from_be_bytes(fixed(raw)?),
        Travel::Date => match i32::from_be_bytes(fixed(raw)?) {
            i32::MAX => f64::INFINITY,
            i32::MIN => f64::NEG_INFINITY,
            days => ((i64::from(days) + EPOCH_DAYS) * 86_400_000) as f64,
        },
        _ => millis(raw)?,
    })
}

/// The double nearest to the shortest decimal of a float, which is what its text says.
fn shortest(value: f32) -> f64 {
    if value.is_finite() { value.to_string().parse().unwrap_or(f64::from(value)) } else { f64::from(value) }
}

pub(super) fn text_value(travel: Travel, raw: &[u8], out: &mut String) -> Done {
    match travel {
        Travel::Int8 => push(out, format_args!("{}", i64::from_be_bytes(fixed(raw)?))),
        Travel::Numeric => return numeric(raw, out),
        Travel::Uuid => uuid(raw, out)?,
        Travel::Time => time(raw, out)?,
        Travel::Bytea => hex(raw, out),
        _ => out.push_str(str::from_utf8(raw).map_err(|_| Malformed)?),
    }
    Ok(())
}

/// Writing to a `String` cannot fail.
fn push(out: &mut String, value: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(value);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex(raw: &[u8], out: &mut String) {
    out.reserve(raw.len() * 2);
    for byte in raw {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

fn uuid(raw: &[u8], out: &mut String) -> Done {
    let bytes: [u8; 16] = fixed(raw)?;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        hex(std::slice::from_ref(byte), out);
    }
    Ok(())
}

fn time(raw: &[u8], out: &mut String) -> Done {
    let micros = i64::from_be_bytes(fixed(raw)?);
    let seconds = micros / 1_000_000;
    push(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if micros % 1_000_000 != 0 {
        let fraction = format!("{:06}", micros % 1_000_000);
        push(out, format_args!(".{}", fraction.trim_end_matches('0')));
    }
    Ok(())
}

/// numeric: digits to the base of 10,000, the weight of the first, sign, and how many decimals to show.
fn numeric(raw: &[u8], out: &mut String) -> Done {
    let word = |index: usize| {
        raw.get(index * 2..index * 2 + 2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).ok_or(Malformed)
    };
    let (count, weight, sign, scale) = (word(0)?, i32::from(word(1)?), word(2)?.cast_unsigned(), word(3)?);
    match sign {
        0xC000 => out.push_str("NaN"),
        0xD000 => out.push_str("Infinity"),
        0xF000 => out.push_str("-Infinity"),
        _ => {
            if sign == 0x4000 {
                out.push('-');
            }
            let digit = |position: i32| -> Result<i16, Malformed> {
                if position < 0 || position >= i32::from(count) { Ok(0) } else { word(4 + position as usize) }
            };
            if weight < 0 {
                out.push('0');
            }
            for position in 0..=weight {
                let digit = digit(position)?;
                if position == 0 { push(out, format_args!("{digit}")) } else { push(out, format_args!("{digit:04}")) }
            }
            let scale = usize::try_from(scale).unwrap_or(0);
            if scale > 0 {
                out.push('.');
                let end = out.len() + scale;
                let mut position = weight + 1;
                while out.len() < end {
                    push(out, format_args!("{:04}", digit(position)?));
                    position += 1;
                }
                out.truncate(end);
            }
        }
    }
    Ok(())
}

pub(super) fn json_value(travel: Travel, raw: &[u8], out: &mut String) -> Done {
    match travel {
        Travel::Json => out.push_str(str::from_utf8(raw).map_err(|_| Malformed)?),
        Travel::Jsonb => out.push_str(jsonb(raw)?),
        Travel::Array(element) => return array(element, raw, out),
        _ => return Err(Malformed),
    }
    Ok(())
}

/// jsonb is sent as a version, which is 1, and text.
fn jsonb(raw: &[u8]) -> Result<&str, Malformed> {
    raw.split_first().and_then(|(_, text)| str::from_utf8(text).ok()).ok_or(Malformed)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn int(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(fixed(self.take(4)?)?))
    }
}

fn array(element: Element, raw: &[u8], out: &mut String) -> Done {
    let mut reader = Reader(raw);
    let dimensions = usize::try_from(reader.int()?).map_err(|_| Malformed)?;
    reader.take(8)?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(reader.int()?);
        reader.take(4)?;
    }
    if lengths.is_empty() {
        out.push_str("[]");
        return Ok(());
    }
    nested(element, &lengths, &mut reader, out)
}

fn nested(element: Element, lengths: &[i32], reader: &mut Reader<'_>, out: &mut String) -> Done {
    let Some((&length, inner)) = lengths.split_first() else {
        let size = reader.int()?;
        return match usize::try_from(size) {
            Ok(size) => item(element, reader.take(size)?, out),
            Err(_) => {
                out.push_str("null");
                Ok(())
            }
        };
    };
    out.push('[');
    for index in 0..length {
        if index > 0 {
            out.push(',');
        }
        nested(element, inner, reader, out)?;
    }
    out.push(']');
    Ok(())
}

fn item(element: Element, raw: &[u8], out: &mut String) -> Done {
    match element {
        Element::Int2 => push(out, format_args!("{}", i16::from_be_bytes(fixed(raw)?))),
        Element::Int4 => push(out, format_args!("{}", i32::from_be_bytes(fixed(raw)?))),
        Element::Oid => push(out, format_args!("{}", u32::from_be_bytes(fixed(raw)?))),
        Element::Bool => out.push_str(if raw == [1] { "true" } else { "false" }),
        Element::Float4 => number(double(Travel::Float4, raw)?, out),
        Element::Float8 => number(double(Travel::Float8, raw)?, out),
        Element::Date => number(double(Travel::Date, raw)?, out),
        Element::Timestamp | Element::Timestamptz => number(millis(raw)?, out),
        Element::Json => out.push_str(str::from_utf8(raw).map_err(|_| Malformed)?),
        Element::Jsonb => out.push_str(jsonb(raw)?),
        Element::Text => quoted(str::from_utf8(raw).map_err(|_| Malformed)?, out),
        Element::Numeric | Element::Int8 | Element::Uuid | Element::Time | Element::Bytea => {
            out.push('"');
            let travel = match element {
                Element::Numeric => Travel::Numeric,
                Element::Int8 => Travel::Int8,
                Element::Uuid => Travel::Uuid,
                Element::Time => Travel::Time,
                _ => Travel::Bytea,
            };
            text_value(travel, raw, out)?;
            out.push('"');
        }
    }
    Ok(())
}

/// JSON has no infinities: those travel as strings, which `Number` understands.
fn number(value: f64, out: &mut String) {
    if value.is_finite() {
        push(out, format_args!("{value:?}"));
    } else if value.is_nan() {
        out.push_str("\"NaN\"");
    } else {
        out.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
}

fn quoted(text: &str, out: &mut String) {
    match serde_json::to_string(text) {
        Ok(json) => out.push_str(&json),
        Err(_) => out.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(travel: Travel, raw: &[u8]) -> String {
        let mut out = String::new();
        text_value(travel, raw, &mut out).unwrap();
        out
    }

    fn words(words: &[i16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numeric_is_the_text_the_server_would_send() {
        let negative = 0x4000;
        for (raw, expected) in [
            (words(&[0, 0, 0, 0]), "0"),
            (words(&[0, 0, 0, 2]), "0.00"),
            (words(&[2, 0, 0, 2, 1, 2500]), "1.25"),
            (words(&[1, 1, negative, 0, 12]), "-120000"),
            (words(&[1, -2, 0, 8, 1]), "0.00000001"),
            (words(&[3, 1, 0, 3, 1, 2, 3450]), "10002.345"),
            (words(&[0, 0, 0xC000u16.cast_signed(), 0]), "NaN"),
        ] {
            assert_eq!(text(Travel::Numeric, &raw), expected);
        }
    }

    #[test]
    fn times_show_their_fraction_without_trailing_zeros() {
        assert_eq!(text(Travel::Time, &86_400_000_000i64.to_be_bytes()), "24:00:00");
        assert_eq!(text(Travel::Time, &3_723_040_500i64.to_be_bytes()), "01:02:03.0405");
    }

    #[test]
    fn a_moment_before_1970_is_cut_downwards() {
        assert_eq!(millis(&(-EPOCH_MICROS - 1).to_be_bytes()), Ok(-1.0));
        assert_eq!(millis(&i64::MAX.to_be_bytes()), Ok(f64::INFINITY));
    }

    #[test]
    fn a_float4_is_its_shortest_decimal() {
        assert_eq!(shortest(0.1), 0.1);
    }

    #[test]
    fn cut_off_values_are_malformed() {
        let mut out = String::new();
        assert_eq!(text_value(Travel::Int8, &[1, 2], &mut out), Err(Malformed));
        assert_eq!(array(Element::Int4, &[0, 0, 0, 1, 0, 0], &mut out), Err(Malformed));
        assert_eq!(numeric(&[0, 9, 0, 0], &mut out), Err(Malformed));
    }
}
