//! The one table of error codes, and what every error of the core can say about itself.

/// Every `code` that a JavaScript caller can see on an error of this package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// An option or argument is of the wrong type or outside its range.
    InvalidArgument,
    /// The object was shut down, drained or closed while the call was waiting, or before it.
    Closed,
    /// The call was given up through its `AbortSignal`.
    Aborted,
    /// The call waited longer than it was allowed to.
    Timeout,
    /// The circuit breaker lets no call through now; a name that callers of the original know.
    CircuitOpen,
    /// A bounded queue is full.
    QueueFull,
    /// A service has no target that could be asked now.
    NoTarget,
    /// The cost asked for is larger than the bucket can ever hold.
    CostExceedsLimit,
    /// A connection could not be made.
    Connect,
    /// A connection broke, or was closed, before the work on it was done.
    ConnectionLost,
    /// A server understood the request and refused it.
    Refused,
    /// The disk refused a read or a write.
    Io,
    /// A file is not there; Node's own code for it.
    NotFound,
    /// A stored file is torn, or holds something else.
    Damaged,
    /// A defect of this package; the process goes on.
    Internal,
}

impl Code {
    /// The string on the JavaScript error's `code` property.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::InvalidArgument => "ERR_TOOLOO_INVALID_ARGUMENT",
            Code::Closed => "ERR_TOOLOO_CLOSED",
            Code::Aborted => "ERR_TOOLOO_ABORTED",
            Code::Timeout => "ERR_TOOLOO_TIMEOUT",
            Code::CircuitOpen => "CIRCUIT_BREAKER_OPEN",
            Code::QueueFull => "ERR_TOOLOO_QUEUE_FULL",
            Code::NoTarget => "ERR_TOOLOO_NO_TARGET",
            Code::CostExceedsLimit => "ERR_TOOLOO_COST_EXCEEDS_LIMIT",
            Code::Connect => "ERR_TOOLOO_CONNECT",
            Code::ConnectionLost => "ERR_TOOLOO_CONNECTION_LOST",
            Code::Refused => "ERR_TOOLOO_REFUSED",
            Code::Io => "ERR_TOOLOO_IO",
            Code::NotFound => "ENOENT",
            Code::Damaged => "ERR_TOOLOO_DAMAGED",
            Code::Internal => "ERR_TOOLOO_INTERNAL",
        }
    }
}

/// Which JavaScript constructor an error is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorClass {
    /// `Error`
    #[default]
    Error,
    /// `TypeError`: a value of the wrong type.
    TypeError,
    /// `RangeError`: a value of the right type outside its range.
    RangeError,
}

/// What an error tells the binding, beside its message (`Display`) and cause (`source`).
pub trait Coded: std::error::Error {
    /// The entry of the code table; never a catch-all.
    fn code(&self) -> Code;

    /// The JavaScript constructor. Default: `Error`.
    fn class(&self) -> ErrorClass {
        ErrorClass::Error
    }

    /// Whether the same call may succeed when it is made again. Default: no.
    fn retryable(&self) -> bool {
        false
    }
}
