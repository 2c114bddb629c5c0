//! Lua scripts, sent once and called by their digest ever after.

use redis::{Script as Lua, ScriptInvocation, ToRedisArgs};

/// A script. The server forgets scripts when it restarts: [`super::Client::run`] sends it again then.
#[derive(Debug, Clone)]
pub struct Script(Lua);

impl Script {
    /// The script of this text. All keys it touches have to be passed as keys, and in a cluster lie in one slot.
    pub fn new(text: &str) -> Self {
        Self(Lua::new(text))
    }

    /// The digest by which the server knows it.
    pub fn digest(&self) -> &str {
        self.0.get_hash()
    }

    /// A call with keys (whole ones, prefix included) and arguments.
    pub fn call<'a>(&'a self, keys: &[impl ToRedisArgs], arguments: &[impl ToRedisArgs]) -> ScriptInvocation<'a> {
        let mut call = self.0.prepare_invoke();
        keys.iter().for_each(|key| _ = call.key(key));
        arguments.iter().for_each(|argument| _ = call.arg(argument));
        call
    }
}
