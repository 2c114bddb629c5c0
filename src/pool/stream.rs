//! Many rows, in batches. The statement runs once and its answer stays on the wire: what is not asked for is not read
//! from the socket, so the server waits. A cursor would do the same with a round trip for each batch, and with a plan
//! made for the first rows.

use super::abandon::Abandon;
use super::connection::{Connection, Request, Whole, add_rows, parameters_of};
use super::error::PoolError;
use super::failure::Failure;
use super::row::Delivery;
use super::statement::{Prepared, Run};
use super::unnamed;
use futures_util::StreamExt;
use std::pin::Pin;
use std::sync::Arc;
use tokio_postgres::RowStream;

/// The rows of a statement that has a connection to itself.
pub struct Rows {
    connection: Arc<Connection>,
    prepared: Arc<Prepared>,
    rows: Option<Pin<Box<RowStream>>>,
    _whole: Whole,
}

impl Rows {
    /// Starts the statement, unless it is abandoned before.
    pub async fn open(connection: Arc<Connection>, request: Request, abandon: &Abandon) -> Result<Self, Failure> {
        let mut whole = connection.exclusively(abandon).await?;
        let opening = async {
            let prepared = connection.prepared(&request.text, &mut whole.statements).await?;
            let parameters = parameters_of(&request, &prepared)?;
            let mut rows = Box::pin(match &prepared.run {
                Run::Named(statement) => {
                    let rows = connection.client().query_raw(statement, parameters).await;
                    rows.map_err(|error| Failure::from(&error))?
                }
                Run::Unnamed { text, .. } => unnamed::send(connection.client(), text, &request.parameters).await?,
            });
            // What was abandoned meanwhile ends with the error of its cancellation, after rows that nobody wants.
            while abandon.is_given()
                && let Some(row) = rows.next().await
            {
                row.map_err(|error| Failure::from(&error))?;
            }
            Ok((prepared, rows))
        };
        let (prepared, rows) = connection.unless_abandoned(opening, abandon).await?;
        Ok(Self { connection, prepared, rows: Some(rows), _whole: whole })
    }

    /// The next `count` rows; fewer mean that there are no more.
    pub async fn next(&mut self, count: usize) -> Delivery {
        let Some(rows) = &mut self.rows else { return Delivery::of_error(&ended().description()) };
        let mut batch = Vec::with_capacity(count.min(4096));
        let mut failure = None;
        while batch.len() < count {
            match rows.next().await {
                Some(Ok(row)) => batch.push(row),
                Some(Err(error)) => {
                    failure = Some(Failure::from(&error));
                    break;
                }
                None => break,
            }
        }
        if batch.len() < count {
            self.rows = None;
        }
        let mut delivery = Delivery::default();
        if failure.is_none() {
            failure = self.prepared.check(&batch).err();
        }
        if failure.is_none() {
            failure = add_rows(&mut delivery, &self.prepared, &batch).err();
        }
        if self.prepared.shape.is_none() && failure.is_none() {
            delivery.command(&self.prepared.command, None);
        }
        if let Some(failure) = failure {
            delivery.error(&failure.description());
        }
        delivery
    }

    /// Ends it early. Returns whether the connection is still of use.
    pub async fn close(mut self) -> bool {
        let Some(mut rows) = self.rows.take() else { return true };
        let rest = async {
            while let Some(row) = rows.next().await {
                if let Err(error) = row {
                    return Failure::from(&error).is_cancelled();
                }
            }
            false
        };
        let rest = tokio::time::timeout(self.connection.limit(), rest);
        let ((), clean) = tokio::join!(self.connection.cancel(), rest);
        let clean = clean.unwrap_or(false);
        if !clean {
            self.connection.spoil();
        }
        clean
    }
}

fn ended() -> Failure {
    PoolError::Protocol("the stream has ended".into()).into()
}
