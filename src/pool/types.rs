//! How the values of a PostgreSQL type reach JavaScript, as `pg` (node-postgres 8) gives them by default.

use tokio_postgres::types::{Kind, Type};

/// The way a column travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Travel {
    /// int2, int4: one word.
    Int(u8),
    /// oid: one word without a sign.
    Oid,
    /// One word, 0 or 1.
    Bool,
    /// float4, given as the shortest decimal that means it.
    Float4,
    /// float8.
    Float8,
    /// A point in time: milliseconds since 1970 as a double.
    Timestamptz,
    /// A local time: the same digits read as UTC, in milliseconds.
    Timestamp,
    /// A local midnight, likewise.
    Date,
    /// Text as it is sent.
    Text,
    /// int8 as decimal text.
    Int8,
    /// numeric as decimal text.
    Numeric,
    /// uuid as text.
    Uuid,
    /// time as text.
    Time,
    /// Bytes, as hexadecimal text.
    Bytea,
    /// json: parsed.
    Json,
    /// jsonb: parsed.
    Jsonb,
    /// An array of one of the above, as JSON.
    Array(Element),
    /// Cast to text by the server; JavaScript may read more into it.
    Cast,
}

/// What arrays can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Element {
    Int2,
    Int4,
    Oid,
    Bool,
    Float4,
    Float8,
    Timestamptz,
    Timestamp,
    Date,
    Text,
    Int8,
    Numeric,
    Uuid,
    Time,
    Bytea,
    Json,
    Jsonb,
}

/// The letter by which JavaScript knows what to do with a column; see `src/js/pool/decoder.cjs`.
pub fn letter(travel: Travel, oid: u32) -> &'static str {
    match travel {
        Travel::Int(_) => "i",
        Travel::Oid => "o",
        Travel::Bool => "b",
        Travel::Float4 | Travel::Float8 => "f",
        Travel::Timestamptz => "z",
        Travel::Timestamp | Travel::Date => "t",
        Travel::Bytea => "x",
        Travel::Json | Travel::Jsonb => "j",
        Travel::Array(Element::Float4 | Element::Float8 | Element::Numeric) => "jf",
        Travel::Array(Element::Timestamptz) => "jz",
        Travel::Array(Element::Timestamp | Element::Date) => "jt",
        Travel::Array(Element::Bytea) => "jx",
        Travel::Array(_) => "j",
        Travel::Cast => match oid {
            600 => "sp",
            718 => "sc",
            1186 => "si",
            1017 => "sP",
            1187 => "sI",
            651 | 791 | 1014 | 1040 | 1041 | 1270 | 3907 => "sS",
            _ => "s",
        },
        _ => "s",
    }
}

/// How values of a type travel.
pub fn travel(kind: &Type) -> Travel {
    if let Kind::Enum(_) = kind.kind() {
        return Travel::Text;
    }
    match kind.oid() {
        16 => Travel::Bool,
        17 => Travel::Bytea,
        18 | 19 | 25 | 705 | 1042 | 1043 | 2275 => Travel::Text,
        20 => Travel::Int8,
        21 => Travel::Int(2),
        23 => Travel::Int(4),
        26 => Travel::Oid,
        114 => Travel::Json,
        700 => Travel::Float4,
        701 => Travel::Float8,
        1082 => Travel::Date,
        1083 => Travel::Time,
        1114 => Travel::Timestamp,
        1184 => Travel::Timestamptz,
        1700 => Travel::Numeric,
        // void has no bytes
        2278 => Travel::Text,
        2950 => Travel::Uuid,
        3802 => Travel::Jsonb,
        oid => array(oid).map_or(Travel::Cast, Travel::Array),
    }
}

/// The arrays that `pg` parses; every other one it leaves as text.
fn array(oid: u32) -> Option<Element> {
    Some(match oid {
        199 => Element::Json,
        1000 => Element::Bool,
        1001 => Element::Bytea,
        1005 => Element::Int2,
        1007 => Element::Int4,
        1028 => Element::Oid,
        1008 | 1009 | 1015 => Element::Text,
        1016 => Element::Int8,
        1021 => Element::Float4,
        1022 => Element::Float8,
        1115 => Element::Timestamp,
        1182 => Element::Date,
        1183 => Element::Time,
        1185 => Element::Timestamptz,
        1231 => Element::Numeric,
        2951 => Element::Uuid,
        3807 => Element::Jsonb,
        _ => return None,
    })
}
