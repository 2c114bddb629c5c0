//! The floors and rooms of the house, held to by reading the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Open to every room.
const OPEN: &[&str] = &["clock", "error", "metrics", "options", "random", "runtime", "stats"];
/// The only places that may say `unsafe`, below `src`: a folder, for raw Node-API, and a file.
const UNSAFE: &[&str] = &["binding/raw/", "binding/uv.rs"];

fn may_be_unsafe(name: &str) -> bool {
    UNSAFE.iter().any(|place| name == *place || (place.ends_with('/') && name.starts_with(place)))
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust source: its path below `src`, with `/`, and its text without comments and strings.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("a readable source folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(src()).expect("below src");
                let name = below.to_string_lossy().replace('\\', "/");
                found.push((name, code(&fs::read_to_string(&path).expect("UTF-8"))));
            }
        }
    }
    let mut found = Vec::new();
    walk(&src(), &mut found);
    assert!(found.len() > 10, "the sources were found");
    found
}

/// Rust text without comments, string literals and character literals.
fn code(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let get = |index: usize| bytes.get(index).copied().unwrap_or('\0');
    while at < bytes.len() {
        match (get(at), get(at + 1)) {
            ('/', '/') => {
                while at < bytes.len() && get(at) != '\n' {
                    at += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (get(at), get(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= bytes.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#') if !out.ends_with(|last: char| last.is_alphanumeric() || last == '_') => {
                let hashes = (at + 1..).take_while(|&index| get(index) == '#').count();
                if get(at + 1 + hashes) != '"' {
                    out.push('r');
                    at += 1;
                    continue;
                }
                at += 2 + hashes;
                while at < bytes.len() && !(get(at) == '"' && (1..=hashes).all(|step| get(at + step) == '#')) {
                    at += 1;
                }
                at += 1 + hashes;
            }
            ('"', _) => {
                at += 1;
                while at < bytes.len() && get(at) != '"' {
                    at += if get(at) == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            ('\'', '\\') => {
                at += 3;
                while at < bytes.len() && get(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            ('\'', _) if get(at + 2) == '\'' => at += 3,
            (other, _) => {
                out.push(other);
                at += 1;
            }
        }
    }
    out
}

/// The words of a text, with `::` as a word of its own.
fn words(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = if word(first) {
            rest.find(|letter| !word(letter)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (head, tail) = rest.split_at(length);
        if !head.trim().is_empty() {
            found.push(head);
        }
        rest = tail;
    }
    found
}

/// The modules named right after `crate::`, also in `crate::{a, b::c}`.
fn crate_modules(code: &str) -> BTreeSet<String> {
    let words = words(code);
    let mut found = BTreeSet::new();
    for start in words.windows(2).enumerate().filter(|(_, pair)| *pair == ["crate", "::"]).map(|(at, _)| at + 2) {
        if words.get(start) != Some(&"{") {
            found.extend(words.get(start).map(|word| (*word).to_owned()));
            continue;
        }
        let (mut depth, mut first) = (1, true);
        for word in &words[start + 1..] {
            match *word {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," if depth == 1 => first = true,
                name if depth == 1 && first => {
                    found.insert(name.to_owned());
                    first = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn rooms() -> BTreeSet<String> {
    let folders = fs::read_dir(src()).expect("src").map(|entry| entry.expect("an entry").path());
    folders
        .filter(|path| path.join("mod.rs").exists())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "binding")
        .collect()
}

#[test]
fn napi_is_named_only_where_the_path_contains_binding() {
    for (name, code) in sources() {
        if name.contains("binding") {
            continue;
        }
        let napi = words(&code).into_iter().any(|word| matches!(word, "napi" | "napi_derive" | "napi_sys"));
        assert!(!napi, "src/{name} names napi: move it to a binding.rs");
    }
}

#[test]
fn the_core_does_not_name_the_binding() {
    for (name, code) in sources() {
        if !name.contains("binding") && name != "lib.rs" {
            assert!(!crate_modules(&code).contains("binding"), "src/{name} names crate::binding");
        }
    }
}

#[test]
fn unsafe_stands_only_in_its_audited_files() {
    for (name, code) in sources() {
        if may_be_unsafe(&name) {
            continue;
        }
        let found = words(&code).contains(&"unsafe");
        assert!(!found, "src/{name} says unsafe: only {UNSAFE:?} may");
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let audited: Vec<String> = sources().into_iter().map(|(name, _)| name).filter(|name| may_be_unsafe(name)).collect();
    assert!(audited.len() > UNSAFE.len(), "the audited files were found");
    for name in audited {
        let text = fs::read_to_string(src().join(&name)).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") || !code.contains("unsafe {") {
                continue;
            }
            let explained = lines[at.saturating_sub(12)..=at].iter().any(|line| line.contains("SAFETY"));
            assert!(explained, "src/{name}:{} has no SAFETY note", at + 1);
        }
    }
}

#[test]
fn rooms_import_only_their_declared_edges() {
    let rooms = rooms();
    for (name, code) in sources() {
        let Some((room, _)) = name.split_once('/') else { continue };
        if !rooms.contains(room) {
            continue;
        }
        for target in crate_modules(&code) {
            let binding = target == "binding" && name.contains("binding");
            let free = target == room || binding || OPEN.contains(&target.as_str());
            let declared = tooloo_native::EDGES.contains(&(room, target.as_str()));
            let foreign = rooms.contains(&target);
            assert!(free || declared || !foreign, "src/{name}: {room} → {target} is not in EDGES");
        }
    }
}

#[test]
fn edges_are_between_rooms_that_exist() {
    let rooms = rooms();
    for (from, to) in tooloo_native::EDGES {
        assert!(rooms.contains(*from) && rooms.contains(*to), "{from} → {to}");
    }
}

#[test]
fn the_reader_of_sources_sees_code_only() {
    let text = r##"
        // unsafe in a comment /* napi */
        let a = "unsafe \" napi"; let b = r#"unsafe " napi"#; let c = '"'; let d = '\''; /* unsafe /* nested */ napi */
        use crate::{cache::policy, stats::{self, Window}}; crate::limit::x();
    "##;
    let seen = code(text);
    assert!(!words(&seen).contains(&"unsafe") && !words(&seen).contains(&"napi"), "{seen}");
    let expected = ["cache", "limit", "stats"].map(str::to_owned);
    assert_eq!(crate_modules(&seen), BTreeSet::from(expected));
}
