//! What can go wrong with a query before it reaches a database.

use crate::error::{Code, Coded, ErrorClass};

/// An error of this room. Errors of the database pass through untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The query is no string.
    #[error("query must be a string")]
    NotText,
    /// The hook or the executor gave something else than one result for each query, in an array.
    #[error("executeBatchQueries must resolve to an array with one result for each query")]
    NotAnArray,
    /// The pool, or a connection of it, has no `query`.
    #[error("the pool option has neither queryBatch(), query() nor acquire() with connections that have query()")]
    NoQuery,
    /// There is no pool to ask.
    #[error("explain needs the option pool")]
    NoPool,
    /// A text for EXPLAIN holds more than one statement.
    #[error("explain takes one statement, and the query has several")]
    ManyStatements,
    /// The pool has no way to hold a connection for several statements.
    #[error("explain with analyze needs a pool with withConnection(), connect() or acquire(): it rolls back what ran")]
    NoTransaction,
    /// The pool's answer to EXPLAIN is none.
    #[error("the pool did not answer EXPLAIN (FORMAT JSON) with a plan")]
    NoPlan,
    /// The optimizer was closed before the query came.
    #[error("the query optimizer is closed")]
    Closed,
}

impl QueryError {
    /// Every error, in the order in which the face counts them.
    pub const ALL: [QueryError; 8] = [
        QueryError::NotText,
        QueryError::NotAnArray,
        QueryError::NoQuery,
        QueryError::Closed,
        QueryError::NoPool,
        QueryError::ManyStatements,
        QueryError::NoTransaction,
        QueryError::NoPlan,
    ];
}

impl Coded for QueryError {
    fn code(&self) -> Code {
        match self {
            QueryError::Closed => Code::Closed,
            _ => Code::InvalidArgument,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            QueryError::Closed => ErrorClass::Error,
            _ => ErrorClass::TypeError,
        }
    }
}
