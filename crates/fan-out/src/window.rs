//! The lines between the oldest without an answer and the newest that was taken.

use crate::answer::Taken;
use std::collections::VecDeque;

/// Finished answers that wait hold at most so many bytes, before no further line is taken.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Brings answers back into the order of their lines.
#[derive(Debug)]
pub(crate) struct Window {
    most: usize,
    /// Ticket of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    bytes: usize,
}

#[derive(Debug)]
enum Slot {
    /// The line has no answer yet.
    Open(Taken),
    Done(Vec<u8>),
}

impl Window {
    /// Of at most `most` lines.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, first: 0, slots: VecDeque::with_capacity(most), bytes: 0 }
    }

    /// Whether a further line may be taken, where so many bytes wait to be written.
    pub(crate) fn has_room(&self, unwritten: usize) -> bool {
        self.slots.len() < self.most && self.bytes + unwritten < MOST_BYTES
    }

    /// Takes a line; its ticket.
    pub(crate) fn open(&mut self, line: Taken) -> u64 {
        self.slots.push_back(Slot::Open(line));
        self.first + self.slots.len() as u64 - 1
    }

    /// The answer for a ticket.
    pub(crate) fn close(&mut self, ticket: u64, text: Vec<u8>) {
        let place = ticket.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(slot @ Slot::Open(_)) = place.and_then(|place| self.slots.get_mut(place)) {
            self.bytes += text.len();
            *slot = Slot::Done(text);
        }
    }

    /// The line of a ticket that has no answer yet.
    pub(crate) fn taken(&self, ticket: u64) -> Option<Taken> {
        let place = ticket.checked_sub(self.first).and_then(|place| usize::try_from(place).ok())?;
        match self.slots.get(place)? {
            Slot::Open(taken) => Some(*taken),
            Slot::Done(_) => None,
        }
    }

    /// Number of the first line that has no answer; 1 where all have.
    pub(crate) fn first_unanswered(&self) -> u64 {
        self.unanswered().first().map_or(1, |(_, taken)| taken.line)
    }

    /// The next answer in the order of the lines, where there is one.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        match self.slots.pop_front()? {
            Slot::Done(text) => {
                self.first += 1;
                self.bytes -= text.len();
                Some(text)
            }
            open @ Slot::Open(_) => {
                self.slots.push_front(open);
                None
            }
        }
    }

    /// Ticket and line of all that have no answer.
    pub(crate) fn unanswered(&self) -> Vec<(u64, Taken)> {
        let tickets = self.first..;
        let open = |(ticket, slot): (u64, &Slot)| match slot {
            Slot::Open(line) => Some((ticket, *line)),
            Slot::Done(_) => None,
        };
        tickets.zip(&self.slots).filter_map(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: u64) -> Taken {
        Taken { line, digest: None }
    }

    #[test]
    fn answers_come_back_in_order() {
        let mut window = Window::new(3);
        let tickets: Vec<u64> = [5, 8, 9].into_iter().map(|line| window.open(taken(line))).collect();
        assert!(!window.has_room(0));
        window.close(tickets[1], b"b".to_vec());
        assert_eq!(window.pop(), None);
        assert_eq!(window.unanswered(), [(tickets[0], taken(5)), (tickets[2], taken(9))]);
        window.close(tickets[0], b"a".to_vec());
        assert_eq!(
            [window.pop(), window.pop(), window.pop()],
            [Some(b"a".to_vec()), Some(b"b".to_vec()), None]
        );
        assert!(window.has_room(0));
        let last = window.open(taken(10));
        window.close(last, b"d".to_vec());
        window.close(tickets[2], b"c".to_vec());
        window.close(tickets[2], b"again".to_vec());
        assert_eq!(
            [window.pop(), window.pop(), window.pop()],
            [Some(b"c".to_vec()), Some(b"d".to_vec()), None]
        );
        assert_eq!(window.bytes, 0);
    }

    #[test]
    fn bytes_are_bounded_wherever_they_wait() {
        let mut window = Window::new(10);
        window.open(taken(1));
        let ticket = window.open(taken(2));
        window.close(ticket, vec![0; MOST_BYTES - 10]);
        assert!(window.has_room(9) && !window.has_room(10));
    }
}
