//! Statements without names, for poolers between here and the server that give every transaction another session:
//! PgBouncer's transaction mode. A statement and its parameters leave in one message; what its columns are has to be
//! known before, because some are cast, so each text is looked at once, in a transaction of its own.

use super::error::PoolError;
use super::failure::Failure;
use super::parameter::Parameter;
use deadpool_postgres::ClientWrapper;
use futures_util::TryStreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, RowStream, SimpleQueryMessage, Statement};

/// tokio-postgres asks for types it does not know by statements with names. They are made again wherever a text is
/// looked at: name and text.
pub type Questions = Vec<(String, String)>;

/// Whether no transaction has been begun: it started with this statement, sent as one message.
const OUTSIDE: &str = "SELECT transaction_timestamp() = statement_timestamp()";
const QUESTIONS: &str = "SELECT name, statement FROM pg_catalog.pg_prepared_statements \
    WHERE NOT from_sql AND statement <> $1 AND statement ~ 'FROM pg_catalog.pg_(type|enum|range|attribute)'";

fn failure(error: tokio_postgres::Error) -> Failure {
    Failure::from(&error)
}

/// Sends a statement with its parameters, whose types the server infers.
pub async fn send(client: &ClientWrapper, text: &str, parameters: &[Parameter]) -> Result<RowStream, Failure> {
    let typed = parameters.iter().map(|parameter| (parameter, Type::UNKNOWN));
    client.query_typed_raw(text, typed).await.map_err(failure)
}

/// All rows of a statement, and how many it returned or changed.
pub async fn run(client: &ClientWrapper, text: &str, parameters: &[Parameter]) -> Result<(Vec<Row>, u64), Failure> {
    let mut stream = Box::pin(send(client, text, parameters).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(failure)? {
        rows.push(row);
    }
    Ok((rows, stream.rows_affected().unwrap_or(0)))
}

/// Looks at a statement: `look` gets it prepared, and it is gone afterwards. In a transaction, it is the caller's.
pub async fn look<T>(
    client: &ClientWrapper,
    text: &str,
    questions: &mut Questions,
    look: impl FnOnce(&Statement) -> T,
) -> Result<T, Failure> {
    let answers = client.simple_query(OUTSIDE).await.map_err(failure)?;
    let outside =
        answers.iter().any(|answer| matches!(answer, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
    let mut script = String::from(if outside { "BEGIN; DEALLOCATE ALL" } else { "DEALLOCATE ALL" });
    for (name, text) in &*questions {
        script.push_str(&format!("; PREPARE {name} AS {}", text.trim_end().trim_end_matches(';')));
    }
    client.batch_execute(&script).await.map_err(failure)?;
    let seen = async {
        let statement = client.prepare(text).await.map_err(failure)?;
        let seen = look(&statement);
        let (rows, _) = run(client, QUESTIONS, &[Parameter::Text(text.into())]).await?;
        let read = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let asked: Result<Questions, tokio_postgres::Error> = read.collect();
        // Those made again above come from SQL.
        questions.extend(asked.map_err(|error| Failure::from(PoolError::Protocol(error.to_string())))?);
        Ok(seen)
    };
    let seen = seen.await;
    let end = match (&seen, outside) {
        (Ok(_), true) => "DEALLOCATE ALL; ROLLBACK",
        (Ok(_), false) => "DEALLOCATE ALL",
        (Err(_), true) => "ROLLBACK",
        // The caller's transaction has failed.
        (Err(_), false) => return seen,
    };
    client.batch_execute(end).await.map_err(failure)?;
    seen
}
