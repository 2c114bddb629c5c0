//! The one place where bodies of values are sealed on their way out and opened on their way in. Without keys they go as
//! they are.
//!
//! AEAD by `ring`: AES-256-GCM or ChaCha20-Poly1305. What is sealed is bound to the name it is stored under and to the
//! head that stands in the clear before it, so that neither can be exchanged. No key of the caller's encrypts by itself:
//! each run derives its own from it (HKDF-SHA-256, RFC 5869, with a random salt that travels along) and counts its nonces,
//! so that no nonce is ever used twice, however much is written under one key.
//!
//! Sealed: algorithm u8, id of the key [4], salt [16], nonce [12], then the ciphertext with its tag. The id is derived from
//! the key as well: the first key of the list seals, all of them open, and that is how keys are exchanged.

use super::error::CacheError;
use crate::options::OptionError;
use ring::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const ID: usize = 4;
const SALT: usize = 16;
const NONCE: usize = 12;
const PREFIX: usize = 1 + ID + SALT + NONCE;
/// Derived keys that are remembered; each process that wrote what is read here has one.
const MOST_DERIVED: usize = 64;
const DEFAULT_ALGORITHM: &str = "aes-256-gcm";
const EXPECTED_KEY: &str = "32 bytes, as a Buffer, 64 hex digits or base64";

/// An algorithm and its number in what is sealed.
fn algorithm(number: u8) -> Option<&'static Algorithm> {
    match number {
        1 => Some(&AES_256_GCM),
        2 => Some(&CHACHA20_POLY1305),
        _ => None,
    }
}

/// A key as the caller gave it.
#[derive(Clone)]
pub enum RawKey {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// Its bytes as hex digits or base64.
    Text(String),
}

/// One of the caller's keys.
struct Master {
    id: [u8; ID],
    secret: Vec<u8>,
}

/// Key → the key that one run derived from it.
type Derived = VecDeque<([u8; 1 + ID + SALT], Arc<LessSafeKey>)>;

struct Keys {
    masters: Vec<Master>,
    /// What stands before everything that this run seals: algorithm, id, salt.
    own: [u8; 1 + ID + SALT],
    sealing: LessSafeKey,
    next: AtomicU64,
    derived: Mutex<Derived>,
}

/// What seals and opens.
#[derive(Clone, Default)]
pub struct Seal(Option<Arc<Keys>>);

impl fmt::Debug for Seal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_on() { "Seal(on)" } else { "Seal(off)" })
    }
}

impl Seal {
    /// Reads the option `encryption`: its algorithm (`aes-256-gcm`, the default, or `chacha20-poly1305`) and its keys, the
    /// first of which seals.
    ///
    /// # Errors
    /// When the algorithm is unknown, there is no key, or one is not 32 bytes. No error shows a key.
    pub fn from_options(wanted: Option<&str>, keys: &[RawKey]) -> Result<Self, OptionError> {
        let number = match wanted.unwrap_or(DEFAULT_ALGORITHM) {
            "aes-256-gcm" => 1,
            "chacha20-poly1305" => 2,
            other => {
                let value = crate::options::Scalar::Text(other.into());
                let expected = "\"aes-256-gcm\" or \"chacha20-poly1305\"";
                return Err(OptionError::out_of_range("encryption.algorithm", expected, &value));
            }
        };
        let missing = || OptionError::secret("encryption.keys", EXPECTED_KEY);
        let masters: Vec<Master> = keys.iter().map(|key| master(key).ok_or_else(missing)).collect::<Result<_, _>>()?;
        let first = masters.first().ok_or_else(missing)?;
        let mut own = [number; 1 + ID + SALT];
        own[1..=ID].copy_from_slice(&first.id);
        getrandom::fill(&mut own[1 + ID..]).map_err(|_| OptionError::secret("encryption", "a source of randomness"))?;
        let sealing = derive(first, &own).ok_or_else(missing)?;
        let (next, derived) = (AtomicU64::new(0), Mutex::default());
        Ok(Self(Some(Arc::new(Keys { masters, own, sealing, next, derived }))))
    }

    /// Whether anything is sealed at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Seals the body of the value called `name`; `head` stands in the clear before it and must not be changed either.
    ///
    /// # Errors
    /// When it cannot be sealed, which must not be stored.
    pub fn seal(&self, name: &str, head: &[u8], mut body: Vec<u8>) -> Result<Vec<u8>, CacheError> {
        let Some(keys) = &self.0 else { return Ok(body) };
        let mut nonce = [0; NONCE];
        nonce[4..].copy_from_slice(&keys.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let given = Nonce::assume_unique_for_key(nonce);
        let sealed = keys.sealing.seal_in_place_append_tag(given, context(name, head), &mut body);
        sealed.map_err(|_| CacheError::Damaged)?;
        let mut bytes = Vec::with_capacity(PREFIX + body.len());
        bytes.extend(keys.own);
        bytes.extend(nonce);
        bytes.extend(body);
        Ok(bytes)
    }

    /// Opens what [`Seal::seal`] made of the same name and head.
    ///
    /// # Errors
    /// [`CacheError::Sealed`] when it was sealed with a key that is not known here; [`CacheError::Damaged`] when it is
    /// damaged or another value's.
    pub fn open(&self, name: &str, head: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CacheError> {
        let keys = self.0.as_ref().ok_or(CacheError::Sealed)?;
        let (by, rest) = sealed.split_first_chunk::<{ 1 + ID + SALT }>().ok_or(CacheError::Damaged)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE>().ok_or(CacheError::Damaged)?;
        let key = keys.opening(by).ok_or(CacheError::Sealed)?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key.open_in_place(nonce, context(name, head), &mut body).map_err(|_| CacheError::Damaged)?;
        let length = plain.len();
        body.truncate(length);
        Ok(body)
    }
}

impl Keys {
    /// The key that the run with this prefix seals with; `None` when it comes from a key that is not known.
    fn opening(&self, by: &[u8; 1 + ID + SALT]) -> Option<Arc<LessSafeKey>> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = derived.iter().find(|(prefix, _)| prefix == by) {
            return Some(key.clone());
        }
        let master = self.masters.iter().find(|master| by[1..=ID] == master.id)?;
        let key = Arc::new(derive(master, by)?);
        if derived.len() == MOST_DERIVED {
            derived.pop_back();
        }
        derived.push_front((*by, key.clone()));
        Some(key)
    }
}

/// So many bytes of output.
#[derive(Clone, Copy)]
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(secret: &[u8], salt: &[u8], purpose: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let pseudorandom = Salt::new(HKDF_SHA256, salt).extract(secret);
    pseudorandom.expand(&[purpose], Bytes(N)).and_then(|okm| okm.fill(&mut out)).ok()?;
    Some(out)
}

fn derive(master: &Master, prefix: &[u8; 1 + ID + SALT]) -> Option<LessSafeKey> {
    let algorithm = algorithm(prefix[0])?;
    // The algorithm is part of the purpose: no key serves two.
    let purpose = [b"tooloo-native cache ".as_slice(), &prefix[..1]].concat();
    let key: [u8; KEY_BYTES] = expand(&master.secret, &prefix[1 + ID..], &purpose)?;
    UnboundKey::new(algorithm, &key).ok().map(LessSafeKey::new)
}

fn context(name: &str, head: &[u8]) -> Aad<Vec<u8>> {
    let mut bytes = Vec::with_capacity(8 + name.len() + head.len());
    bytes.extend((name.len() as u64).to_be_bytes());
    bytes.extend(name.as_bytes());
    bytes.extend(head);
    Aad::from(bytes)
}

fn master(key: &RawKey) -> Option<Master> {
    let secret = match key {
        RawKey::Bytes(bytes) => bytes.clone(),
        RawKey::Text(text) => from_hex(text).or_else(|| from_base64(text))?,
    };
    if secret.len() != KEY_BYTES {
        return None;
    }
    Some(Master { id: expand(&secret, b"", b"tooloo-native key id")?, secret })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..KEY_BYTES).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

/// Base64 or its URL form (RFC 4648), with or without padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> RawKey {
        RawKey::Bytes(vec![byte; KEY_BYTES])
    }

    fn seal(keys: &[RawKey]) -> Seal {
        Seal::from_options(None, keys).unwrap()
    }

    #[test]
    fn another_run_opens_it_and_a_new_key_does_not_close_it() {
        let sealed = seal(&[key(1)]).seal("k", b"head", b"value".to_vec()).unwrap();
        assert_eq!(seal(&[key(1)]).open("k", b"head", &sealed).unwrap(), b"value");
        assert_eq!(seal(&[key(2), key(1)]).open("k", b"head", &sealed).unwrap(), b"value");
        assert!(matches!(seal(&[key(2)]).open("k", b"head", &sealed), Err(CacheError::Sealed)));
        assert!(matches!(Seal::default().open("k", b"head", &sealed), Err(CacheError::Sealed)));
    }

    #[test]
    fn both_algorithms_open_whatever_seals_now() {
        let gcm = seal(&[key(1)]);
        let chacha = Seal::from_options(Some("chacha20-poly1305"), &[key(1)]).unwrap();
        let sealed = chacha.seal("k", b"", b"value".to_vec()).unwrap();
        assert_eq!(gcm.open("k", b"", &sealed).unwrap(), b"value");
    }

    #[test]
    fn a_key_in_any_form_is_the_same_key() {
        let bytes: Vec<u8> = (0..32).map(|byte| byte * 7).collect();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let base64 = "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=";
        let sealed = seal(&[RawKey::Bytes(bytes)]).seal("k", b"", b"value".to_vec()).unwrap();
        for text in [&hex, base64, base64.trim_end_matches('=')] {
            assert_eq!(seal(&[RawKey::Text(text.into())]).open("k", b"", &sealed).unwrap(), b"value");
        }
    }

    #[test]
    fn a_wrong_key_is_refused_without_being_shown() {
        for wrong in ["", "secret", "zz", &"a".repeat(63), &"0".repeat(66)] {
            let error = Seal::from_options(None, &[RawKey::Text(wrong.into())]).unwrap_err().to_string();
            assert!(error.contains("encryption.keys") && (wrong.is_empty() || !error.contains(wrong)), "{error}");
        }
        assert!(Seal::from_options(None, &[]).is_err());
        assert!(Seal::from_options(Some("rot13"), &[key(1)]).unwrap_err().to_string().contains("rot13"));
        assert_eq!(format!("{:?}", seal(&[key(1)])), "Seal(on)");
    }

    #[test]
    fn no_two_are_sealed_alike() {
        let seal = seal(&[key(1)]);
        let both = [seal.seal("k", b"", vec![0; 64]).unwrap(), seal.seal("k", b"", vec![0; 64]).unwrap()];
        assert_ne!(both[0], both[1]);
    }

    proptest! {
        #[test]
        fn what_was_changed_is_not_opened(
            body in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let seal = seal(&[key(1)]);
            let mut sealed = seal.seal("name", b"head", body.clone()).unwrap();
            prop_assert_eq!(seal.open("name", b"head", &sealed).unwrap(), body);
            prop_assert!(seal.open("other", b"head", &sealed).is_err());
            prop_assert!(seal.open("nam", b"ehead", &sealed).is_err());
            let at = at.index(sealed.len());
            sealed[at] ^= flip;
            prop_assert!(seal.open("name", b"head", &sealed).is_err());
            prop_assert!(seal.open("name", b"head", &sealed[..at]).is_err());
        }
    }
}
