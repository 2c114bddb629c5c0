//! COPY, in and out, with back-pressure on both ways.

use super::abandon::Abandon;
use super::connection::{Connection, Whole};
use super::error::PoolError;
use super::failure::Failure;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::pin::Pin;
use std::sync::Arc;
use tokio_postgres::{CopyInSink, CopyOutStream, Error};

/// Bytes handed on at once, about.
const CHUNK: usize = 256 * 1024;

fn failure(error: Error) -> Failure {
    Failure::from(&error)
}

/// COPY … FROM STDIN under way.
pub struct CopyIn {
    connection: Arc<Connection>,
    sink: Pin<Box<CopyInSink<Bytes>>>,
    _whole: Whole,
}

impl CopyIn {
    /// Starts it, unless it is abandoned before.
    pub async fn open(connection: Arc<Connection>, text: &str, abandon: &Abandon) -> Result<Self, Failure> {
        let whole = connection.exclusively(abandon).await?;
        let opening = async {
            let statement = connection.client().prepare(text).await.map_err(failure)?;
            let sink = connection.client().copy_in(&statement).await;
            sink.map(Box::pin).map_err(|error| {
                // tokio-postgres 0.7 ends the refused copy with a second Sync, whose answer nobody expects.
                connection.spoil();
                failure(error).on_lost_connection()
            })
        };
        let sink = connection.unless_abandoned(opening, abandon).await?;
        Ok(Self { connection, sink, _whole: whole })
    }

    /// Hands bytes on, when there is room for them. What is abandoned while the server does not read costs the
    /// connection: how the copy ends is not seen without ending it.
    pub async fn write(&mut self, bytes: Bytes, abandon: &Abandon) -> Result<(), Failure> {
        tokio::select! {
            biased;
            fed = self.sink.feed(bytes) => return fed.map_err(failure),
            () = abandon.given() => {}
        }
        self.connection.spoil();
        self.connection.cancel().await;
        Err(Failure::from(PoolError::QueryAborted).on_lost_connection())
    }

    /// Ends it, unless it is abandoned: the number of rows.
    pub async fn finish(mut self, abandon: &Abandon) -> Result<u64, Failure> {
        let Self { connection, sink, .. } = &mut self;
        let finishing = async { sink.as_mut().finish().await.map_err(failure) };
        connection.unless_abandoned(finishing, abandon).await
    }
}

/// COPY … TO STDOUT under way.
pub struct CopyOut {
    connection: Arc<Connection>,
    stream: Option<Pin<Box<CopyOutStream>>>,
    _whole: Whole,
}

impl CopyOut {
    /// Starts it, unless it is abandoned before.
    pub async fn open(connection: Arc<Connection>, text: &str, abandon: &Abandon) -> Result<Self, Failure> {
        let whole = connection.exclusively(abandon).await?;
        let opening = async {
            let mut stream = Box::pin(connection.client().copy_out(text).await.map_err(failure)?);
            // What was abandoned meanwhile ends with the error of its cancellation, after bytes that nobody wants.
            while abandon.is_given()
                && let Some(bytes) = stream.next().await
            {
                bytes.map_err(failure)?;
            }
            Ok(stream)
        };
        let stream = connection.unless_abandoned(opening, abandon).await?;
        Ok(Self { connection, stream: Some(stream), _whole: whole })
    }

    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let Some(stream) = &mut self.stream else { return Ok(bytes) };
        while bytes.len() < CHUNK {
            match stream.next().await.transpose() {
                Ok(Some(more)) => bytes.extend_from_slice(&more),
                Ok(None) => {
                    self.stream = None;
                    break;
                }
                Err(error) => {
                    self.stream = None;
                    return Err(failure(error));
                }
            }
        }
        Ok(bytes)
    }

    /// Ends it early. Returns whether the connection is still of use.
    pub async fn close(mut self) -> bool {
        let Some(mut stream) = self.stream.take() else { return true };
        let rest = async {
            while let Some(bytes) = stream.next().await {
                if let Err(error) = bytes {
                    return failure(error).is_cancelled();
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
