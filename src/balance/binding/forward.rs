//! Settings and verdicts of a proxy.

use crate::balance::forward::{ForwardConfig, Progress, may_ask_another};
use crate::binding::raw::Exports;

pub fn register(exports: Exports<'_>) {
    exports
        .function("forwardConfig", |call| {
            let config = ForwardConfig::from_options(&call.options_at(0)?)?;
            let millis = |time: std::time::Duration| time.as_secs_f64() * 1e3;
            let values = [millis(config.connect_timeout), millis(config.timeout), config.retries.into()];
            call.fill(1, &values)?;
            Ok(call.undefined())
        })
        // `(method, connected?, body begun?, answered?)`
        .function("forwardAgain", |call| {
            let (connected, body_begun) = (call.boolean_at(1)?, call.boolean_at(2)?);
            let progress = Progress { connected, body_begun, answered: call.boolean_at(3)? };
            Ok(call.boolean(may_ask_another(&call.text_at(0)?, progress)))
        });
}
