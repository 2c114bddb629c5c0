//! What goes over the bus: names of what is old, never values.
//!
//! A message: version u8, sender u64, number u64, then for each notice its kind u8, the length of its text as LEB128 and
//! the text. Numbers are big-endian. Each sender counts its messages from 1 on, so that who reads them sees which came
//! twice and that some did not come.

use std::collections::HashMap;

const VERSION: u8 = 1;
const HEAD: usize = 17;
/// Senders that are remembered; those that were not heard for longest are forgotten first.
const MOST_SENDERS: usize = 10_000;

/// One thing that the others have to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What the text names: the users' affair.
    pub kind: u8,
    /// A key, a tag, a pattern.
    pub text: String,
}

/// A message as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub sender: u64,
    /// The sender's number for it.
    pub number: u64,
    /// What it says.
    pub notices: Vec<Notice>,
}

impl Message {
    /// Its bytes.
    pub fn encode(sender: u64, number: u64, notices: &[Notice]) -> Vec<u8> {
        let length: usize = notices.iter().map(|notice| notice.text.len() + 6).sum();
        let mut bytes = Vec::with_capacity(HEAD + length);
        bytes.push(VERSION);
        bytes.extend(sender.to_be_bytes());
        bytes.extend(number.to_be_bytes());
        for notice in notices {
            bytes.push(notice.kind);
            let mut rest = notice.text.len();
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes.extend(notice.text.as_bytes());
        }
        bytes
    }

    /// The message of these bytes; `None` for what is none, or of a later version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(HEAD)?;
        if head[0] != VERSION {
            return None;
        }
        let word = |at: usize| head[at..at + 8].try_into().ok().map(u64::from_be_bytes);
        let (sender, number) = (word(1)?, word(9)?);
        let mut notices = Vec::new();
        while let [kind, more @ ..] = rest {
            let (mut length, mut shift, mut at) = (0usize, 0u32, 0usize);
            loop {
                let byte = *more.get(at)?;
                at += 1;
                if shift > 28 {
                    return None;
                }
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let text = more.get(at..at.checked_add(length)?)?;
            notices.push(Notice { kind: *kind, text: String::from_utf8(text.to_vec()).ok()? });
            rest = &more[at + length..];
        }
        Some(Self { sender, number, notices })
    }
}

/// What a message's number says about those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one of its sender, or the first that is heard of it.
    Next,
    /// It was there before.
    Again,
    /// Some before it did not come.
    Gap,
}

/// The last number heard of each sender.
#[derive(Debug, Default)]
pub struct Sequences {
    last: HashMap<u64, (u64, u64)>,
    heard: u64,
}

impl Sequences {
    /// Notes a message.
    pub fn note(&mut self, sender: u64, number: u64) -> Arrival {
        self.heard += 1;
        let now = self.heard;
        let arrival = match self.last.get(&sender) {
            None => Arrival::Next,
            Some((last, _)) if number <= *last => return Arrival::Again,
            Some((last, _)) if number == *last + 1 => Arrival::Next,
            Some(_) => Arrival::Gap,
        };
        self.last.insert(sender, (number, now));
        if self.last.len() > MOST_SENDERS {
            let oldest = self.last.iter().min_by_key(|(_, (_, heard))| *heard).map(|(sender, _)| *sender);
            oldest.map(|sender| self.last.remove(&sender));
        }
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sent_is_read(sender: u64, number: u64, texts in prop::collection::vec((0u8.., ".{0,200}"), 0..20)) {
            let notices: Vec<_> = texts.into_iter().map(|(kind, text)| Notice { kind, text }).collect();
            let bytes = Message::encode(sender, number, &notices);
            prop_assert_eq!(Message::decode(&bytes), Some(Message { sender, number, notices }));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            Message::decode(&bytes);
            let mut versioned = bytes;
            versioned.insert(0, VERSION);
            Message::decode(&versioned);
        }
    }

    #[test]
    fn a_number_twice_is_no_news_and_a_number_left_out_is_a_gap() {
        let mut sequences = Sequences::default();
        let arrivals = [(1, 5), (1, 6), (1, 6), (1, 5), (2, 1), (1, 8), (1, 9)]
            .map(|(sender, number)| sequences.note(sender, number));
        use Arrival::{Again, Gap, Next};
        assert_eq!(arrivals, [Next, Next, Again, Again, Next, Gap, Next]);
    }

    #[test]
    fn senders_that_went_are_forgotten() {
        let mut sequences = Sequences::default();
        (0..MOST_SENDERS as u64 + 5).for_each(|sender| _ = sequences.note(sender, 1));
        assert_eq!(sequences.last.len(), MOST_SENDERS);
        assert_eq!(sequences.note(MOST_SENDERS as u64, 3), Arrival::Gap);
    }
}
