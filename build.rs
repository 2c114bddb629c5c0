//! Linker flags that Node.js addons need on some platforms; nothing else happens at build time.

fn main() {
    if std::env::var_os("CARGO_FEATURE_NODE").is_some() {
        napi_build::setup();
    }
}
