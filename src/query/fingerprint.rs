//! What two texts have in common: the normal form by which queries are batched, and the literal-free form in which
//! the textual rules look for keywords.
//!
//! Both stand on one scanner of PostgreSQL's lexical structure (PostgreSQL manual, 4.1): it knows where SQL text ends
//! and quoted text begins, which no regular expression over the whole text does.

/// A stretch of a query, as the scanner cuts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'q> {
    /// Keywords, names, numbers, operators.
    Code(&'q str),
    /// A run of white space.
    Space,
    /// `'…'` with its quotes, `E'…'` and dollar quotes too. A prefix letter belongs to the code before it.
    Literal(&'q str),
    /// `"…"` or `` `…` ``.
    Name(&'q str),
    /// `-- …` without the line break that ends it.
    LineComment(&'q str),
    /// `/* … */`, nested ones included.
    BlockComment(&'q str),
}

/// White space as JavaScript's `\s` knows it.
fn is_space(character: char) -> bool {
    (character.is_whitespace() && character != '\u{85}') || character == '\u{feff}'
}

fn is_line_break(character: char) -> bool {
    matches!(character, '\n' | '\r')
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$') || !character.is_ascii()
}

/// Cuts a text into pieces; joined together they are the text.
pub(super) struct Scanner<'q> {
    rest: &'q str,
    /// The last character of code that is directly before `rest`.
    before: Option<char>,
    /// Whether that code is the lone prefix `E`, after which a backslash escapes.
    escapes: bool,
}

impl<'q> Scanner<'q> {
    pub(super) fn new(text: &'q str) -> Self {
        Self { rest: text, before: None, escapes: false }
    }

    /// The first `len` bytes of the rest; everything when it has no such boundary.
    fn take(&mut self, len: usize) -> &'q str {
        let (head, tail) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = tail;
        head
    }

    fn code(&mut self) -> Piece<'q> {
        let mut end = 0;
        let mut before = self.before;
        for (at, character) in self.rest.char_indices() {
            if at > 0 && self.starts_piece(at, character, before) {
                break;
            }
            end = at + character.len_utf8();
            before = Some(character);
        }
        let joined = self.before.is_some_and(is_word);
        let code = self.take(end);
        let mut letters = code.chars().rev();
        self.escapes = matches!(letters.next(), Some('e' | 'E')) && !letters.next().map_or(joined, is_word);
        self.before = before;
        Piece::Code(code)
    }

    /// Whether something that is no code starts at `at`.
    fn starts_piece(&self, at: usize, character: char, before: Option<char>) -> bool {
        let here = self.rest.get(at..).unwrap_or("");
        match character {
            '\'' | '"' | '`' => true,
            '-' => here.starts_with("--"),
            '/' => here.starts_with("/*"),
            '$' => !before.is_some_and(is_word) && dollar_tag(here).is_some(),
            other => is_space(other),
        }
    }

    /// The length of quoted text: a doubled quote stands for itself. Unterminated text runs to the end.
    fn quoted_len(&self, quote: char, escapes: bool) -> usize {
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if escapes && character == '\\' {
                characters.next();
            } else if character == quote && characters.next_if(|&(_, next)| next == quote).is_none() {
                return at + quote.len_utf8();
            }
        }
        self.rest.len()
    }

    /// The length of a block comment; PostgreSQL nests them.
    fn comment_len(&self) -> usize {
        let bytes = self.rest.as_bytes();
        let (mut depth, mut at) = (0u32, 0);
        while let Some(pair) = bytes.get(at..at + 2) {
            match pair {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" => {
                    (depth, at) = (depth.saturating_sub(1), at + 2);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => at += 1,
            }
        }
        bytes.len()
    }
}

/// The opening tag of a dollar quote, `$$` or `$name$`.
fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let name = inner.get(..end)?;
    let valid = name.chars().all(|c| is_word(c) && c != '$') && !name.starts_with(|c: char| c.is_ascii_digit());
    if valid { text.get(..end + 2) } else { None }
}

impl<'q> Iterator for Scanner<'q> {
    type Item = Piece<'q>;

    fn next(&mut self) -> Option<Piece<'q>> {
        let first = self.rest.chars().next()?;
        if !self.starts_piece(0, first, self.before) {
            return Some(self.code());
        }
        let escapes = std::mem::take(&mut self.escapes);
        self.before = None;
        Some(match first {
            '\'' => {
                let len = self.quoted_len(first, escapes);
                Piece::Literal(self.take(len))
            }
            '"' | '`' => {
                let len = self.quoted_len(first, false);
                Piece::Name(self.take(len))
            }
            '-' => {
                let len = self.rest.find(is_line_break).unwrap_or(self.rest.len());
                Piece::LineComment(self.take(len))
            }
            '/' => {
                let len = self.comment_len();
                Piece::BlockComment(self.take(len))
            }
            '$' => {
                let tag = dollar_tag(self.rest).unwrap_or("$");
                let body = self.rest.get(tag.len()..).unwrap_or("");
                let len = body.find(tag).map_or(self.rest.len(), |at| at + 2 * tag.len());
                Piece::Literal(self.take(len))
            }
            _ => {
                let len = self.rest.find(|c| !is_space(c)).unwrap_or(self.rest.len());
                self.take(len);
                Piece::Space
            }
        })
    }
}

/// The normal form: trimmed, each run of white space one space, SQL text lower-cased; string literals, quoted names
/// and comments stay as they are. Where white space ends a line comment it becomes one line break, or the comment
/// would swallow what follows it. Queries with one normal form are one batch.
pub fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut space, mut after_line_comment) = (false, false);
    for piece in Scanner::new(text) {
        if piece == Piece::Space {
            space = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(if after_line_comment { '\n' } else { ' ' });
        }
        after_line_comment = matches!(piece, Piece::LineComment(_));
        match piece {
            Piece::Code(code) if code.is_ascii() => {
                let start = out.len();
                out.push_str(code);
                if let Some(lower) = out.get_mut(start..) {
                    lower.make_ascii_lowercase();
                }
            }
            Piece::Code(code) => out.push_str(&code.to_lowercase()),
            Piece::Literal(raw) | Piece::Name(raw) | Piece::LineComment(raw) | Piece::BlockComment(raw) => {
                out.push_str(raw);
            }
            Piece::Space => {}
        }
    }
    out
}

/// A query without what only looks like SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bare {
    /// Lower case, single spaces, `?` for each literal, `_` for each quoted name, no comments.
    pub text: String,
    /// The comments, lower-cased: hints to the planner stand there.
    pub comments: String,
}

/// The literal-free form.
pub fn bare(text: &str) -> Bare {
    let (mut out, mut comments) = (String::with_capacity(text.len()), String::new());
    for piece in Scanner::new(text) {
        match piece {
            Piece::Code(code) => out.push_str(&code.to_lowercase()),
            Piece::Literal(_) => out.push('?'),
            Piece::Name(_) => out.push('_'),
            Piece::LineComment(raw) | Piece::BlockComment(raw) => {
                comments.push_str(&raw.to_lowercase());
                comments.push(' ');
                push_space(&mut out);
            }
            Piece::Space => push_space(&mut out),
        }
    }
    out.truncate(out.trim_end().len());
    Bare { text: out, comments }
}

/// What a text and those that differ from it by their values only have in common: the normal form with `?` for each
/// literal and number, and without comments. Parameters and names stay.
pub fn without_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in Scanner::new(text) {
        match piece {
            Piece::Code(code) => {
                let code = code.to_lowercase();
                let mut rest = code.as_str();
                while let Some(first) = rest.chars().next() {
                    let joined = out.chars().next_back().is_some_and(is_word);
                    let is_number = first.is_ascii_digit() && !joined;
                    let len = if is_number {
                        rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len())
                    } else {
                        first.len_utf8()
                    };
                    let (token, tail) = rest.split_at_checked(len).unwrap_or((rest, ""));
                    out.push_str(if is_number { "?" } else { token });
                    rest = tail;
                }
            }
            Piece::Literal(_) => out.push('?'),
            Piece::Name(raw) => out.push_str(raw),
            Piece::LineComment(_) | Piece::BlockComment(_) | Piece::Space => push_space(&mut out),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// A short name of a text: FNV-1a (Fowler, Noll and Vo), 64 bits, in hexadecimal.
pub fn short(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

fn push_space(out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// The words and signs of a [`Bare`] text: names, keywords and numbers whole, everything else one character each.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(is_space);
        let first = rest.chars().next()?;
        let len = if is_word(first) {
            rest.find(|c| !is_word(c) || is_space(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, tail) = rest.split_at_checked(len)?;
        rest = tail;
        Some(word)
    })
}

/// Whether a text certainly holds no more than one statement: no `;` but at its end. A backtick quotes nothing in
/// PostgreSQL, so a `;` between two counts.
pub fn is_single(text: &str) -> bool {
    let hidden = |word: &str| word.starts_with('`') && word.contains(';');
    let mut words = placed_words(text).map(|word| word.text);
    let statement = words
        .by_ref()
        .take_while(|word| *word != ";")
        .fold(0usize, |count, word| if hidden(word) { usize::MAX } else { count.saturating_add(1) });
    statement != usize::MAX && words.next().is_none() && (statement > 0 || !text.contains(';'))
}

/// A word or sign of a text, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'q> {
    /// As it is written.
    pub text: &'q str,
    /// Bytes before it.
    pub at: usize,
}

/// The words and signs of a text itself; comments are left out, a literal or quoted name is one word with its quotes.
pub fn placed_words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut scanner = Scanner::new(text);
    let pieces = std::iter::from_fn(move || {
        let at = text.len() - scanner.rest.len();
        scanner.next().map(|piece| (at, piece))
    });
    pieces.flat_map(|(at, piece)| {
        let (code, quoted) = match piece {
            Piece::Code(code) => (code, ""),
            Piece::Literal(raw) | Piece::Name(raw) => ("", raw),
            Piece::Space | Piece::LineComment(_) | Piece::BlockComment(_) => ("", ""),
        };
        let mut rest = code;
        let inner = std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let len = if is_word(first) { rest.find(|c| !is_word(c)) } else { Some(first.len_utf8()) };
            let (text, tail) = rest.split_at_checked(len.unwrap_or(rest.len()))?;
            let at = at + code.len() - rest.len();
            rest = tail;
            Some(Word { text, at })
        });
        inner.chain((!quoted.is_empty()).then_some(Word { text: quoted, at }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_and_spacing_of_sql_text_do_not_count() {
        assert_eq!(normalize("  SELECT  *\n\tFROM Users "), "select * from users");
        assert_eq!(normalize("SELECT É\u{a0}\u{feff}FROM t"), "select é from t");
        assert_eq!(normalize(""), "");
    }

    #[test]
    fn values_are_no_part_of_a_fingerprint() {
        for (text, expected) in [
            (
                "SELECT a1 FROM t WHERE b = 'secret' AND c IN (1, 2.5e3) -- why",
                "select a1 from t where b = ? and c in (?, ?)",
            ),
            ("select \"T\".x, $1 from t2 /* secret */ limit 10", "select \"T\".x, $1 from t2 limit ?"),
            ("select $$secret$$, e'it\\'s', -7", "select ?, e?, -?"),
        ] {
            assert_eq!(without_literals(text), expected);
        }
        assert_eq!(short(""), "cbf29ce484222325");
    }

    #[test]
    fn quoted_text_and_comments_stay_as_they_are() {
        for (text, expected) in [
            ("SELECT 'Bob  B'", "select 'Bob  B'"),
            ("SELECT 'it''s  A' ,  B", "select 'it''s  A' , b"),
            (r"SELECT E'it\'s  A' ,  B", r"select e'it\'s  A' , b"),
            (r"SELECT TYPE'A\' ,  B", r"select type'A\' , b"),
            ("SELECT \"My  Col\" FROM T", "select \"My  Col\" from t"),
            ("SELECT $$A  B$$ ,  C", "select $$A  B$$ , c"),
            ("SELECT $Fn$A $$ B$Fn$ ,  C", "select $Fn$A $$ B$Fn$ , c"),
            ("WHERE A = $1 AND  B = $2", "where a = $1 and b = $2"),
            ("SELECT A$B$  FROM T$B$", "select a$b$ from t$b$"),
            ("SELECT 1 /* Keep  /* This */ A */ ,  B", "select 1 /* Keep  /* This */ A */ , b"),
            ("SELECT 'Open  End ", "select 'Open  End "),
            ("SELECT $$Open  End ", "select $$Open  End "),
            ("SELECT 1 /* Open  End ", "select 1 /* Open  End "),
        ] {
            assert_eq!(normalize(text), expected);
        }
    }

    #[test]
    fn a_line_comment_still_ends_where_it_ended() {
        assert_eq!(normalize("SELECT 1 -- One  A\n   FROM T"), "select 1 -- One  A\nfrom t");
        assert_eq!(normalize("SELECT 1 -- One  A FROM T"), "select 1 -- One  A FROM T");
        assert_eq!(normalize("SELECT 1 -- One\n"), "select 1 -- One");
    }

    #[test]
    fn the_bare_form_has_no_literals_names_or_comments() {
        let bare = bare("SELECT 'join' || \"where\" /* INDEX  a */ FROM  T -- Limit");
        assert_eq!(bare.text, "select ? || _ from t");
        assert_eq!(bare.comments, "/* index  a */ -- limit ");
        assert_eq!(words("a.*, b<>1").collect::<Vec<_>>(), ["a", ".", "*", ",", "b", "<", ">", "1"]);
    }

    /// SQL-like texts with many quotes in them.
    fn sql() -> impl Strategy<Value = String> {
        const PARTS: &[&str] =
            &["a", "B ", "e", "'", "''", "\"", "$", "$$", "$t$", "\\", "--", "\n", "/*", "*/", "  ", "É", "💡"];
        prop::collection::vec(prop::sample::select(PARTS), 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(text in sql()) {
            let once = normalize(&text);
            prop_assert_eq!(normalize(&once), once);
        }

        #[test]
        fn pieces_lose_nothing_but_white_space(text in ".{0,60}") {
            let joined: String = Scanner::new(&text).map(|piece| match piece {
                Piece::Space => "",
                Piece::Code(raw) | Piece::Literal(raw) | Piece::Name(raw)
                | Piece::LineComment(raw) | Piece::BlockComment(raw) => raw,
            }).collect();
            let bare = |text: &str| text.chars().filter(|&c| !is_space(c)).collect::<String>();
            prop_assert_eq!(bare(&joined), bare(&text));
        }
    }
}
