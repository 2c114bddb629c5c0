//! `Error`s whose text and code are decided in Rust, made for the face to reject with.

use crate::binding::raw::{Exports, Failure};
use crate::error::Code;
use crate::resilience::error::ResilienceError;

pub fn register(exports: Exports<'_>) {
    exports
        .function("resilienceOpenCode", |call| Ok(call.text(Code::CircuitOpen.as_str())))
        .function("resilienceOpenText", |call| {
            let (breaker, name) = (call.text_at(0)?.to_string(), call.text_at(1)?.to_string());
            Ok(call.text(&ResilienceError::CircuitOpen { breaker, call: name }.to_string()))
        })
        .function("resilienceTimeoutError", |call| {
            let after = call.text_at(0)?.to_string();
            Ok(call.error(&Failure::from(ResilienceError::Timeout { after })))
        });
}
