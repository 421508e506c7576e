//! A place in a JSON text, from which values are read one after the other.
//!
//! It reads what pages are made of – objects, arrays, texts, numbers – and leaves the rest to serde. It does not check
//! what it has no use for: a number is a number when it has been parsed as one.

use std::borrow::Cow;

use memchr::memchr2;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A text that is not what it should be, from this byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault(usize);

impl Fault {
    pub(super) fn at(byte: usize) -> Self {
        Self(byte)
    }

    pub(super) fn place(self) -> usize {
        self.0
    }
}

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What is here is not what it should be.
    pub(super) fn fault(&self) -> Fault {
        Fault(self.at)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Passes over `text`, if it is right here.
    pub(super) fn take_text(&mut self, text: &str) -> bool {
        let here = self.text.as_bytes()[self.at..].starts_with(text.as_bytes());
        self.at += if here { text.len() } else { 0 };
        here
    }

    /// Passes over `byte`, if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn need(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(self.fault()) }
    }

    /// Reads an object; `member` reads the value of each.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.need(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.need(b':')?;
            member(self, &name)?;
            if !self.take(b',') {
                return self.need(b'}');
            }
        }
    }

    /// Reads an array; `element` reads each.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.need(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.take(b',') {
                return self.need(b']');
            }
        }
    }

    /// Passes over `null`, if it comes next.
    pub(super) fn is_null(&mut self) -> bool {
        let null = self.peek() == Some(b'n') && self.text[self.at..].starts_with("null");
        self.at += if null { 4 } else { 0 };
        null
    }

    /// Reads a text.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.need(b'"')?;
        let (begin, bytes) = (self.at, self.text.as_bytes());
        let mut escaped = false;
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let length = memchr2(b'"', b'\\', rest).ok_or(Fault(begin))?;
            self.at += length + 1;
            if rest[length] == b'"' {
                break;
            }
            // What is behind it is no end.
            (escaped, self.at) = (true, self.at + 1);
        }
        let whole = &self.text[begin - 1..self.at];
        if escaped {
            serde_json::from_str::<String>(whole).map(Cow::Owned).map_err(|_| Fault(begin))
        } else {
            Ok(Cow::Borrowed(&whole[1..whole.len() - 1]))
        }
    }

    /// Reads a number or a word, to whatever ends it.
    pub(super) fn scalar(&mut self) -> &'a str {
        self.peek();
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        let length = rest.as_bytes().iter().position(ends).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Reads any value as it is written.
    pub(super) fn raw(&mut self) -> Result<&'a str, Fault> {
        self.value::<&RawValue>().map(RawValue::get)
    }

    /// Reads a value by serde.
    pub(super) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, Fault> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<T>();
        let value = values.next().and_then(Result::ok).ok_or(Fault(self.at))?;
        self.at += values.byte_offset();
        Ok(value)
    }

    /// The text ends here.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_and_without_escapes() {
        for (text, expected) in [
            (r#" "" "#, Some("")),
            (r#""plain ü""#, Some("plain ü")),
            (r#""a\"b\\""#, Some("a\"b\\")),
            (r#""\u00fc\n""#, Some("ü\n")),
            (r#""\ud83c\udf89""#, Some("🎉")),
            (r#""\\""#, Some("\\")),
            (r#""open"#, None),
            (r#""open\"#, None),
            (r#""open\""#, None),
            (r#""\x""#, None),
            // JSON would have it escaped; but what is meant is plain.
            ("\"a\nb\"", Some("a\nb")),
            ("plain", None),
        ] {
            let read = Cursor::new(text).string();
            assert_eq!(read.as_deref().ok(), expected, "{text}");
        }
        assert!(matches!(Cursor::new("\"x\"").string(), Ok(Cow::Borrowed("x"))), "no copy is made");
    }

    #[test]
    fn values_one_after_the_other() {
        let mut cursor = Cursor::new(r#" {"a": [1, -2.5e3 ,null], "b":{"c":[{}]},"d":true} "#);
        let (mut numbers, mut others) = (Vec::new(), Vec::new());
        cursor
            .object(|cursor, name| {
                if name != "a" {
                    others.push(cursor.raw()?);
                    return Ok(());
                }
                cursor.array(|cursor| {
                    let null = cursor.is_null();
                    numbers.push(if null { "-" } else { cursor.scalar() });
                    Ok(())
                })
            })
            .unwrap();
        assert_eq!(numbers, ["1", "-2.5e3", "-"]);
        assert_eq!(others, [r#"{"c":[{}]}"#, "true"]);
        assert_eq!(cursor.end(), Ok(()));
    }

    #[test]
    fn what_is_broken_is_a_fault_at_its_place() {
        for (text, place) in [("", 0), ("[1", 2), ("[1 2]", 3), ("[1,", 3), ("{", 0)] {
            let read = Cursor::new(text).array(|cursor| match cursor.scalar() {
                "" => Err(cursor.fault()),
                _ => Ok(()),
            });
            assert_eq!(read, Err(Fault::at(place)), "{text}");
        }
    }
}
