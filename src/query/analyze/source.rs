//! Where things stand in a text. The parser says where expressions begin and end in lines and columns, and leaves out
//! what belongs to no node of its own, such as the parenthesis that ends a call; the tokens know the rest.

use sqlparser::ast::Spanned;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};
use std::ops::Range;

/// Words that begin an expression whose parenthesis the parser's span does not cover.
const OPENERS: [&str; 11] =
    ["cast", "try_cast", "extract", "trim", "substring", "position", "overlay", "ceil", "floor", "exists", "any"];

/// What a token is to the ones who look for boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    /// `::`
    Cast,
    Word,
    Other,
}

/// A token that is neither white space nor comment.
#[derive(Debug, Clone)]
struct Mark {
    span: Span,
    /// Bytes in the text.
    bytes: Range<usize>,
    kind: Kind,
}

/// A text and the places of its tokens.
#[derive(Debug)]
pub struct Source<'q> {
    text: &'q str,
    marks: Vec<Mark>,
}

impl<'q> Source<'q> {
    /// From a text and its tokens.
    pub fn new(text: &'q str, tokens: &[TokenWithSpan]) -> Self {
        let mut at = Cursor { rest: text.char_indices(), line: 1, column: 1, byte: 0, len: text.len() };
        let marks = tokens
            .iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
            .map(|TokenWithSpan { token, span }| {
                let kind = match token {
                    Token::LParen => Kind::Open,
                    Token::RParen => Kind::Close,
                    Token::DoubleColon => Kind::Cast,
                    Token::Word(word) if word.quote_style.is_none() => Kind::Word,
                    _ => Kind::Other,
                };
                Mark { span: *span, bytes: at.advance(span.start)..at.advance(span.end), kind }
            })
            .collect();
        Self { text, marks }
    }

    /// The text between two bytes.
    pub fn slice(&self, range: Range<usize>) -> &'q str {
        self.text.get(range).unwrap_or("")
    }

    /// Where a node stands: parentheses that it opens are covered to where they close, and so are the casts at its end.
    /// Empty when nobody knows.
    pub fn place(&self, node: &impl Spanned) -> Range<usize> {
        let mut marks = self.indices(node.span());
        while !marks.is_empty() && self.kind(marks.end) == Some(Kind::Cast) {
            // The type's first word, and the size or precision after it.
            marks.end += 2;
            if self.kind(marks.end) == Some(Kind::Open) {
                while !matches!(self.kind(marks.end), Some(Kind::Close) | None) {
                    marks.end += 1;
                }
                marks.end += 1;
            }
        }
        self.bytes(marks)
    }

    /// As [`Source::place`], for a span and without the casts.
    pub fn cover(&self, span: Span) -> Range<usize> {
        self.bytes(self.indices(span))
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.marks.get(index).map(|mark| mark.kind)
    }

    fn bytes(&self, marks: Range<usize>) -> Range<usize> {
        match (self.marks.get(marks.start), marks.end.checked_sub(1).and_then(|last| self.marks.get(last))) {
            (Some(first), Some(last)) if first.bytes.start <= last.bytes.end => first.bytes.start..last.bytes.end,
            _ => 0..0,
        }
    }

    fn indices(&self, span: Span) -> Range<usize> {
        if span == Span::empty() {
            return 0..0;
        }
        let mut start = self.marks.partition_point(|mark| mark.span.start < span.start);
        let mut end = self.marks.partition_point(|mark| mark.span.end <= span.end);
        let (mut open, mut closed) = (0usize, 0usize);
        for mark in self.marks.get(start..end).unwrap_or_default() {
            match mark.kind {
                Kind::Open => open += 1,
                Kind::Close if open > 0 => open -= 1,
                Kind::Close => closed += 1,
                _ => {}
            }
        }
        while closed > 0 && start > 0 {
            start -= 1;
            match self.marks.get(start).map(|mark| mark.kind) {
                Some(Kind::Open) => closed -= 1,
                Some(Kind::Close) => closed += 1,
                _ => {}
            }
            if closed == 0 && start > 0 && self.word(start - 1, &OPENERS) {
                start -= 1;
            }
        }
        while open > 0 {
            match self.marks.get(end).map(|mark| mark.kind) {
                Some(Kind::Open) => open += 1,
                Some(Kind::Close) => open -= 1,
                Some(_) => {}
                None => break,
            }
            end += 1;
        }
        // A call without arguments.
        let called = self.kind(end) == Some(Kind::Open) && self.kind(end + 1) == Some(Kind::Close);
        if called && end.checked_sub(1).and_then(|last| self.kind(last)) == Some(Kind::Word) {
            end += 2;
        }
        start..end
    }

    /// Whether the token is one of these words.
    fn word(&self, index: usize, words: &[&str]) -> bool {
        let mark = self.marks.get(index).filter(|mark| mark.kind == Kind::Word);
        let word = mark.map_or("", |mark| self.slice(mark.bytes.clone()));
        !word.is_empty() && words.iter().any(|wanted| word.eq_ignore_ascii_case(wanted))
    }

    /// The bytes from where one node begins to where another ends, the parentheses around a subquery included.
    pub fn parenthesized(&self, span: Span) -> Range<usize> {
        let inner = self.indices(span);
        let before = inner.start.checked_sub(1).and_then(|at| self.marks.get(at));
        match (before, self.marks.get(inner.end)) {
            (Some(open), Some(close)) if open.kind == Kind::Open && close.kind == Kind::Close => {
                open.bytes.start..close.bytes.end
            }
            _ => self.cover(span),
        }
    }

    /// The bytes of the last of these words before a place, and of what stands between.
    pub fn back_to(&self, place: Range<usize>, words: &[&str]) -> Range<usize> {
        let end = self.marks.partition_point(|mark| mark.bytes.start < place.start);
        let found = (0..end).rev().find(|&at| self.word(at, words)).and_then(|at| self.marks.get(at));
        found.map_or(place.clone(), |mark| mark.bytes.start..place.end)
    }

    /// The byte where the first of these words after a place begins.
    pub fn next_word(&self, after: usize, words: &[&str]) -> Option<usize> {
        let start = self.marks.partition_point(|mark| mark.bytes.start < after);
        (start..self.marks.len()).find(|&at| self.word(at, words)).and_then(|at| Some(self.marks.get(at)?.bytes.start))
    }

    /// Whether an expression that ends here certainly ends here: nothing that could belong to it follows.
    pub fn ends_at(&self, end: usize) -> bool {
        const AFTER: [&str; 13] = [
            "and",
            "or",
            "order",
            "group",
            "limit",
            "offset",
            "having",
            "union",
            "returning",
            "fetch",
            "for",
            "then",
            "join",
        ];
        let next = self.marks.partition_point(|mark| mark.bytes.start < end);
        self.marks.get(next).is_none_or(|mark| {
            mark.kind == Kind::Close || self.slice(mark.bytes.clone()) == ";" || self.word(next, &AFTER)
        })
    }
}

/// Goes through a text once, from location to location.
struct Cursor<'q> {
    rest: std::str::CharIndices<'q>,
    line: u64,
    column: u64,
    byte: usize,
    len: usize,
}

impl Cursor<'_> {
    fn advance(&mut self, to: Location) -> usize {
        while (self.line, self.column) < (to.line, to.column) {
            match self.rest.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => return self.len,
            }
            self.byte = self.rest.offset();
        }
        self.byte
    }
}
