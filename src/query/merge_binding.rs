//! The raw functions that say what may be shared and merged.

use super::catalog::{self, BELIEVED_MS, QUESTION, Verdict};
use super::error::QueryError;
use super::merge::MERGED_LOOKUPS;
use super::share::{Reading, Refusal};
use crate::binding::raw::{Answer, Call, Exports, Object, Scope, Value};

pub(super) fn register(exports: Exports<'_>) {
    exports.function("queryReading", reading).function("queryVerdict", verdict).function("queryMergeLimits", limits);
}

/// `() => { lookups, believedMs, question }`
fn limits<'s>(call: &Call<'s>) -> Answer<'s> {
    let limits = call.object().number("lookups", f64::from(MERGED_LOOKUPS));
    Ok(limits.number("believedMs", f64::from(BELIEVED_MS)).text("question", QUESTION).value())
}

fn texts<'s>(scope: &Scope<'s>, texts: &[String]) -> Value<'s> {
    scope.array(texts.iter().map(|text| scope.text(text)))
}

fn refusal<'s>(object: Object<'s>, refusal: Option<Refusal>) -> Object<'s> {
    refusal.iter().fold(object, |object, refusal| object.text("refusal", refusal.text()))
}

/// `(text) => { shares, merges, refusal?, relations?, names?, columns? }`: what the text shows; the last three are for
/// the catalog.
fn reading<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(0).map_err(|_| QueryError::NotText)?;
    let read = Reading::of(&text);
    let merges = read.as_ref().is_ok_and(|reading| reading.lookup.is_ok());
    let object = call.object().set("shares", call.boolean(read.is_ok())).set("merges", call.boolean(merges));
    Ok(match read {
        Err(why) => refusal(object, Some(why)),
        Ok(Reading { relations, names, lookup }) => {
            let object = object.set("relations", texts(call, &relations)).set("names", texts(call, &names));
            match lookup {
                Ok(lookup) => object.set("columns", texts(call, &lookup.columns)),
                Err(why) => refusal(object.set("columns", texts(call, &[])), Some(why)),
            }
        }
    }
    .value())
}

/// `(text, answer of the catalog) => { shares, merged?, bytes, refusal? }`
fn verdict<'s>(call: &Call<'s>) -> Answer<'s> {
    let (text, answer) = (call.text_at(0)?, call.text_at(1)?);
    let verdict = match Reading::of(&text) {
        Ok(reading) => catalog::judge(&reading, &answer),
        Err(why) => Verdict::refused(why),
    };
    let bytes = call.array(verdict.bytes.into_iter().map(|is_bytes| call.boolean(is_bytes)));
    let object = call.object().set("shares", call.boolean(verdict.shares)).set("bytes", bytes);
    let object = verdict.merged.iter().fold(object, |object, merged| object.text("merged", merged));
    Ok(refusal(object, verdict.refusal).value())
}
