//! Prepared statements of one connection, by text, and what is to be known about a text.

use super::failure::Failure;
use super::row::Shape;
use super::types::{Travel, letter, travel};
use super::unnamed::Questions;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_postgres::types::Type;
use tokio_postgres::{Column, Row, Statement};

/// Shapes remembered by the process; beyond, it starts over with new numbers.
const MAX_SHAPES: usize = 4096;

/// A statement that is ready to be executed.
#[derive(Debug)]
pub struct Prepared {
    /// What is executed; with the rewritten text when columns are cast.
    pub run: Run,
    /// How its rows are laid out; `None` without columns.
    pub shape: Option<Arc<Shape>>,
    /// The command's name, as in the server's completion tag.
    pub command: String,
}

/// How a statement is executed.
#[derive(Debug)]
pub enum Run {
    /// By the name that the server's session knows.
    Named(Statement),
    /// By its text, which is sent again each time.
    Unnamed {
        /// The text.
        text: String,
        /// OIDs of the parameters' types.
        parameters: Vec<u32>,
        /// OIDs of the columns' types.
        columns: Vec<u32>,
    },
}

impl Run {
    /// OIDs of the parameters' types.
    pub fn parameters(&self) -> Vec<u32> {
        match self {
            Self::Named(statement) => statement.params().iter().map(Type::oid).collect(),
            Self::Unnamed { parameters, .. } => parameters.clone(),
        }
    }
}

/// The columns that the server has to turn into text, because their binary form is its own affair.
pub fn casts(columns: &[Column]) -> bool {
    columns.iter().any(|column| travel(column.type_()) == Travel::Cast)
}

/// The same statement, with the columns that need it cast to text.
pub fn with_casts(text: &str, columns: &[Column]) -> String {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
    let names: Vec<_> = (1..=columns.len()).map(|index| format!("c{index}")).collect();
    let values: Vec<_> = columns
        .iter()
        .zip(&names)
        .map(|(column, name)| match travel(column.type_()) {
            // A cast shows the mask of a plain address, the output function does not.
            Travel::Cast if column.type_().oid() == 869 => format!("nullif(format('%s', {name}), '')"),
            Travel::Cast => format!("{name}::text"),
            _ if Type::from_oid(column.type_().oid()).is_some() => name.clone(),
            _ => format!("{name}::{}", cast_type(column.type_())),
        })
        .collect();
    format!("WITH t ({}) AS ({text}\n) SELECT {} FROM t", names.join(", "), values.join(", "))
}

/// The type that a column has after [`with_casts`].
fn cast_type(kind: &Type) -> Type {
    match travel(kind) {
        Travel::Cast => Type::TEXT,
        _ if Type::from_oid(kind.oid()).is_some() => kind.clone(),
        Travel::Array(_) => Type::TEXT_ARRAY,
        _ => Type::TEXT,
    }
}

impl Prepared {
    /// `columns` are those of the original text, `statement` is what will be executed.
    pub fn new(text: &str, columns: &[Column], statement: Statement) -> Self {
        let shape = (!columns.is_empty()).then(|| shape_of(columns));
        Self { run: Run::Named(statement), shape, command: command(text) }
    }

    /// What is executed by its text. The server casts types of its own making, too: reading them would need statements
    /// with names.
    pub fn unnamed(text: &str, statement: &Statement) -> Self {
        let columns = statement.columns();
        let own = |column: &Column| Type::from_oid(column.type_().oid()).is_none();
        let (run, types) = if casts(columns) || columns.iter().any(own) {
            (with_casts(text, columns), columns.iter().map(|column| cast_type(column.type_()).oid()).collect())
        } else {
            (text.into(), columns.iter().map(|column| column.type_().oid()).collect())
        };
        let parameters = statement.params().iter().map(Type::oid).collect();
        let shape = (!columns.is_empty()).then(|| shape_of(columns));
        Self { run: Run::Unnamed { text: run, parameters, columns: types }, shape, command: command(text) }
    }

    /// A statement of which [`is_control`] is true, executed by its text.
    pub fn control(text: &str) -> Self {
        let run = Run::Unnamed { text: text.into(), parameters: Vec::new(), columns: Vec::new() };
        Self { run, shape: None, command: command(text) }
    }

    /// Whether rows have the columns that were seen: a table may have changed since.
    pub fn check(&self, rows: &[Row]) -> Result<(), Failure> {
        let (Run::Unnamed { columns, .. }, Some(row)) = (&self.run, rows.first()) else { return Ok(()) };
        let same = row.columns().iter().map(|column| column.type_().oid()).eq(columns.iter().copied());
        if same { Ok(()) } else { Err(Failure::outdated_statement()) }
    }

    /// The types of the parameters and the columns, in JSON.
    pub fn description(&self) -> String {
        let parameters = self.run.parameters();
        let columns = self.shape.as_ref().map_or("[]", |shape| &shape.description);
        format!("{{\"parameters\":{parameters:?},\"columns\":{columns}}}")
    }

    /// The row count of the completion tag, for commands whose tag has one.
    pub fn count(&self, rows: u64) -> Option<u64> {
        const COUNTED: [&str; 8] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "FETCH", "MOVE", "COPY"];
        COUNTED.contains(&self.command.as_str()).then_some(rows)
    }
}

/// The last number given, and the shapes by their descriptions.
type Shapes = (u32, HashMap<String, Arc<Shape>>);

static SHAPES: Mutex<Option<Shapes>> = Mutex::new(None);

/// The shape of these columns; equal columns share one.
fn shape_of(columns: &[Column]) -> Arc<Shape> {
    let travels: Vec<_> = columns.iter().map(|column| travel(column.type_())).collect();
    let described: Vec<_> = columns
        .iter()
        .zip(&travels)
        .map(|(column, &travel)| {
            json!({
                "name": column.name(),
                "letter": letter(travel, column.type_().oid()),
                "type": column.type_().oid(),
                "table": column.table_oid().unwrap_or(0),
                "column": column.column_id().unwrap_or(0),
                "modifier": column.type_modifier(),
            })
        })
        .collect();
    let description = serde_json::Value::from(described).to_string();
    let mut shapes = SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
    let (last, known) = shapes.get_or_insert_default();
    if let Some(shape) = known.get(&description) {
        return Arc::clone(shape);
    }
    if known.len() >= MAX_SHAPES {
        known.clear();
    }
    *last = last.wrapping_add(1);
    let shape = Arc::new(Shape::new(*last, description.clone(), &travels));
    known.insert(description, Arc::clone(&shape));
    shape
}

/// The statements of one connection.
#[derive(Debug)]
pub struct Statements {
    /// Kept at most; beyond, the least recently used is closed.
    capacity: usize,
    by_text: HashMap<String, (Arc<Prepared>, u64)>,
    uses: u64,
    /// Where statements have no names, what has to be known to look at them.
    questions: Option<Questions>,
}

impl Statements {
    /// None yet. `named` says whether they stay prepared at the server.
    pub fn new(capacity: usize, named: bool) -> Self {
        Self { capacity, by_text: HashMap::new(), uses: 0, questions: (!named).then(Vec::new) }
    }

    /// Whether they are sent with their text each time.
    pub fn are_unnamed(&self) -> bool {
        self.questions.is_some()
    }

    /// See [`super::unnamed::look`]; `None` where statements have names.
    pub fn questions(&mut self) -> Option<&mut Questions> {
        self.questions.as_mut()
    }

    /// The statement of a text, if it is prepared.
    pub fn get(&mut self, text: &str) -> Option<Arc<Prepared>> {
        self.uses += 1;
        let (prepared, used) = self.by_text.get_mut(text)?;
        *used = self.uses;
        Some(Arc::clone(prepared))
    }

    /// Keeps a statement.
    pub fn insert(&mut self, text: &str, prepared: Arc<Prepared>) {
        if self.by_text.len() >= self.capacity {
            let oldest = self.by_text.iter().min_by_key(|(_, (_, used))| *used).map(|(text, _)| text.clone());
            oldest.map(|text| self.by_text.remove(&text));
        }
        self.by_text.insert(text.into(), (prepared, self.uses));
    }

    /// Forgets a statement that the server does not accept any more.
    pub fn remove(&mut self, text: &str) {
        self.by_text.remove(text);
    }
}

/// Whether it is one statement that begins, ends or divides a transaction.
pub fn is_control(text: &str) -> bool {
    const CONTROL: [&str; 6] = ["BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"];
    !text.trim_end_matches(|c: char| c.is_whitespace() || c == ';').contains(';')
        && CONTROL.contains(&command(text).as_str())
}

/// The name of the command a text holds, as the server's completion tag will say it.
pub fn command(text: &str) -> String {
    let mut words = Words(text);
    let first = words.next_word().unwrap_or_default();
    let name = match first.as_str() {
        "WITH" => words.main_verb().unwrap_or_else(|| "SELECT".into()),
        _ => first,
    };
    match name.as_str() {
        "VALUES" | "TABLE" => "SELECT".into(),
        "END" => "COMMIT".into(),
        "ABORT" => "ROLLBACK".into(),
        _ => name,
    }
}

/// The mark that begins a dollar-quoted string: `$$` or `$tag$`; `$1` is a parameter.
fn dollar_tag(text: &str) -> Option<&str> {
    let (tag, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_') && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..tag.len() + 2])
}

/// Reads words outside strings, comments and parentheses.
struct Words<'a>(&'a str);

impl Words<'_> {
    /// Skips one thing that is not a word; `Some(depth)` for a parenthesis.
    fn skip(&mut self) -> Option<i32> {
        let text = self.0;
        let after = |mark: &str, from: usize| text[from..].find(mark).map_or(text.len(), |at| from + at + mark.len());
        let (end, depth) = if text.starts_with("--") {
            (after("\n", 0), 0)
        } else if text.starts_with("/*") {
            (after("*/", 2), 0)
        } else if text.starts_with('\'') {
            (after("'", 1), 0)
        } else if text.starts_with('"') {
            (after("\"", 1), 0)
        } else if let Some(tag) = dollar_tag(text) {
            (after(tag, tag.len()), 0)
        } else {
            let first = text.chars().next()?;
            (first.len_utf8(), i32::from(first == '(') - i32::from(first == ')'))
        };
        self.0 = &text[end..];
        Some(depth)
    }

    fn word(&mut self) -> Option<String> {
        let end = self.0.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.0.len());
        if end == 0 {
            return None;
        }
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(word.to_ascii_uppercase())
    }

    fn next_word(&mut self) -> Option<String> {
        loop {
            if let Some(word) = self.word() {
                return Some(word);
            }
            self.skip()?;
        }
    }

    fn main_verb(&mut self) -> Option<String> {
        let mut depth = 0;
        loop {
            match self.word() {
                Some(word) => {
                    let verb = matches!(word.as_str(), "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "VALUES");
                    if depth == 0 && verb {
                        return Some(word);
                    }
                }
                None => depth += self.skip()?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_as_in_the_servers_tag() {
        for (text, expected) in [
            (" -- hint; insert\n /* delete */ select 1", "SELECT"),
            ("(select 1) union (select 2)", "SELECT"),
            ("with a as (delete from t returning *), b as (select ')') insert into c select * from a", "INSERT"),
            ("WITH x AS (SELECT $q$ ) update $q$) SELECT 1", "SELECT"),
            ("values (1)", "SELECT"),
            ("begin work", "BEGIN"),
            ("create table t ()", "CREATE"),
            ("", ""),
            ("'", ""),
            ("/*", ""),
            ("with é as (select $1) delete from é", "DELETE"),
        ] {
            assert_eq!(command(text), expected, "{text}");
        }
    }
}
