//! What is done when the server is back, and removal by pattern.

use super::remote::{Kind, Remote};
use super::repair::Repair;
use crate::clock::{Clock, SystemClock};
use crate::cluster::batch::Order;
use crate::cluster::engine::Health;
use crate::cluster::{ClusterError, Value, cmd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How often somebody who could have to tell something again looks whether the servers are there.
const LOOK: Duration = Duration::from_millis(500);
/// The wait after a repair that failed although the server is there.
const PAUSE: Duration = Duration::from_millis(200);
/// Keys that one step of a sweep looks at.
const STEP: usize = 1000;

/// Repairs for as long as the tier is used.
pub async fn run(remote: Weak<Remote>, mut health: watch::Receiver<Health>) {
    let mut known = Health::Connecting;
    loop {
        tokio::select! {
            changed = health.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
        let Some(remote) = remote.upgrade() else { return };
        let current = *health.borrow_and_update();
        let back = matches!(current, Health::Up(_)) && current != known;
        known = current;
        let now = SystemClock.unix_millis() as f64;
        if !matches!(current, Health::Up(_)) {
            continue;
        }
        if remote.is_replicated() && remote.lock().has_told(now) && !back {
            // A failure is noticed by the engine; the next turn tells everything again.
            _ = remote.client().send(&cmd("PING")).await;
        }
        if (back || remote.pending() > 0) && repair(&remote, now).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// One attempt at everything that waits.
async fn repair(remote: &Arc<Remote>, now: f64) -> Result<(), ClusterError> {
    let work = {
        let mut repairs = remote.lock();
        let mut work = repairs.take(now);
        if std::mem::take(&mut repairs.overflowed) {
            // What is old is not known any more: everything may be.
            work.insert(0, ("p*".into(), Repair::Remove));
        }
        // Counted and not served from the server until it is done.
        remote.under_repair.store(work.len(), Ordering::Relaxed);
        work
    };
    let mut failed = Ok(());
    let mut notices = Vec::with_capacity(work.len());
    for (name, repair) in work {
        let Some((kind, text)) = split(&name) else { continue };
        let mut version = remote.version();
        let done = match (failed.is_ok(), &repair) {
            (false, _) => Err(ClusterError::Away),
            (true, Repair::Write(bytes, lives)) => remote.write_if_newer(text, bytes.clone(), *lives).await,
            (true, Repair::Remove) => match remote.removal(kind, text, version) {
                Some(order) => remote.ask(order).await.map(|reply| {
                    if let Value::Int(given) = reply {
                        version = given as u64;
                    }
                }),
                None => sweep(remote, text).await,
            },
        };
        if let Err(error) = done {
            remote.repair(kind, text, repair);
            failed = Err(error);
            continue;
        }
        let kind = if matches!(repair, Repair::Write(..)) { Kind::Written } else { kind };
        notices.push(kind.notice(text, version));
    }
    remote.under_repair.store(0, Ordering::Relaxed);
    remote.settle_repairs();
    // In the queue of the bus until it is delivered.
    _ = remote.publish(notices).await;
    failed
}

fn split(name: &str) -> Option<(Kind, &str)> {
    let kind = match name.as_bytes().first()? {
        b'k' => Kind::Key,
        b't' => Kind::Tag,
        b'p' => Kind::Pattern,
        _ => return None,
    };
    Some((kind, &name[1..]))
}

/// The glob of the server for a pattern in which only `*` has a meaning.
fn glob(prefix: &str, pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len() + prefix.len() + 8);
    let literal = |glob: &mut String, letter: char| {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
            glob.push('\\');
        }
        glob.push(letter);
    };
    prefix.chars().for_each(|letter| literal(&mut glob, letter));
    glob.push_str("v:{=");
    for letter in pattern.chars() {
        match letter {
            '*' => glob.push('*'),
            '%' => glob.push_str("%25"),
            '{' => glob.push_str("%7B"),
            '}' => glob.push_str("%7D"),
            other => literal(&mut glob, other),
        }
    }
    glob.push('}');
    glob
}

/// Removes every key that matches, from every server. Takes a time that grows with the number of keys.
pub async fn sweep(remote: &Arc<Remote>, pattern: &str) -> Result<(), ClusterError> {
    let glob = glob(remote.client().prefix(), pattern);
    let mut scan = remote.client().scan(&glob, STEP).await?;
    while let Some(keys) = scan.next().await? {
        for key in keys {
            // A tombstone, as any other invalidation leaves.
            let mut command = cmd("SET");
            let mark = super::envelope::tombstone(remote.version(), SystemClock.unix_millis() as f64);
            command.arg(key).arg(mark).arg("PX").arg(super::remote::TOMBSTONE_MS);
            match remote.ask(Order::Command(command)).await? {
                Value::Okay => {}
                _ => return Err(ClusterError::Unexpected),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stars_are_special_in_a_pattern() {
        assert_eq!(glob("p:", "a*b?[c]"), "p:v:{=a*b\\?\\[c\\]}");
        assert_eq!(glob("p*", "{x}%"), "p\\*v:{=%7Bx%7D%25}");
    }
}
