//! A lookup's own text, cut at its parameters so that something else can stand in their places.

use super::fingerprint::{Piece, Scanner};
use super::share::Refusal;

/// What the names in a merged statement begin with.
pub const PREFIX: &str = "tooloo_";

/// The text cut at its parameters, and which stands at each cut.
pub fn cut(text: &str) -> Result<(Vec<String>, Vec<usize>), Refusal> {
    let (mut pieces, mut places) = (vec![String::new()], Vec::new());
    for piece in Scanner::new(text) {
        let last = pieces.last_mut().ok_or(Refusal::Wording)?;
        match piece {
            Piece::Space => last.push(' '),
            Piece::LineComment(raw) => {
                last.push_str(raw);
                last.push('\n');
            }
            Piece::BlockComment(raw) if raw.starts_with("/*+") => return Err(Refusal::Wording),
            Piece::Literal(raw) if raw.contains('\\') => return Err(Refusal::Wording),
            Piece::BlockComment(raw) | Piece::Literal(raw) | Piece::Name(raw) => last.push_str(raw),
            Piece::Code(code) => {
                if code.to_ascii_lowercase().contains(PREFIX) {
                    return Err(Refusal::Wording);
                }
                // The parser found one statement: what is left of semicolons ends it.
                cut_code(&code.replace(';', ""), &mut pieces, &mut places);
            }
        }
        if matches!(piece, Piece::Name(raw) if raw.contains(PREFIX)) {
            return Err(Refusal::Wording);
        }
    }
    Ok((pieces, places))
}

fn cut_code(code: &str, pieces: &mut Vec<String>, places: &mut Vec<usize>) {
    let mut start = 0;
    let mut before = None;
    let bytes = code.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes[at + 1..].iter().take_while(|digit| digit.is_ascii_digit()).count();
        let joined =
            before.is_some_and(|before: u8| before.is_ascii_alphanumeric() || matches!(before, b'_' | b'$' | 0x80..));
        let number =
            if byte == b'$' && digits > 0 && !joined { code[at + 1..at + 1 + digits].parse().ok() } else { None };
        before = Some(byte);
        at += 1;
        if let Some(number) = number {
            if let Some(last) = pieces.last_mut() {
                last.push_str(&code[start..at - 1]);
            }
            pieces.push(String::new());
            places.push(number);
            at += digits;
            start = at;
        }
    }
    if let Some(last) = pieces.last_mut() {
        last.push_str(&code[start..]);
    }
}
