//! COPY, in and out, with back-pressure on both ways.

use super::connection::{Connection, Whole};
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
    sink: Pin<Box<CopyInSink<Bytes>>>,
    _whole: Whole,
}

impl CopyIn {
    /// Starts it.
    pub async fn open(connection: Arc<Connection>, text: &str) -> Result<Self, Failure> {
        let whole = connection.exclusively().await?;
        let statement = connection.client().prepare(text).await.map_err(failure)?;
        match connection.client().copy_in(&statement).await {
            Ok(sink) => Ok(Self { sink: Box::pin(sink), _whole: whole }),
            Err(error) => {
                // tokio-postgres 0.7 ends the refused copy with a second Sync, whose answer nobody expects.
                connection.spoil();
                Err(failure(error).on_lost_connection())
            }
        }
    }

    /// Hands bytes on, when there is room for them.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.sink.feed(bytes).await.map_err(failure)
    }

    /// Ends it: the number of rows.
    pub async fn finish(mut self) -> Result<u64, Failure> {
        self.sink.as_mut().finish().await.map_err(failure)
    }
}

/// COPY … TO STDOUT under way.
pub struct CopyOut {
    connection: Arc<Connection>,
    stream: Option<Pin<Box<CopyOutStream>>>,
    _whole: Whole,
}

impl CopyOut {
    /// Starts it.
    pub async fn open(connection: Arc<Connection>, text: &str) -> Result<Self, Failure> {
        let whole = connection.exclusively().await?;
        let stream = connection.client().copy_out(text).await.map_err(failure)?;
        Ok(Self { connection, stream: Some(Box::pin(stream)), _whole: whole })
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
