//! Groups: channels of one full extranonce size that one message reaches (spec 5.2.3).

/// A group of one connection.
#[derive(Debug)]
pub struct Group {
    id: u32,
    full_len: u8,
    /// Ascending; most join at the end.
    members: Vec<u32>,
    /// Future jobs that all members hold: template and job, oldest first.
    futures: Box<[(u64, u32)]>,
    is_closed: bool,
    is_behind: bool,
}

impl Group {
    /// An empty group; all members will have extranonces of `full_len` bytes (spec 5.2.3).
    ///
    /// # Panics
    /// If those are more than 255: an extranonce has at most 32.
    pub fn new(id: u32, full_len: usize) -> Self {
        Group {
            id,
            full_len: narrow(full_len),
            members: Vec::new(),
            futures: Box::default(),
            is_closed: false,
            is_behind: false,
        }
    }

    /// In one name space with channel ids.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Of the members' extranonces, in bytes.
    pub fn full_len(&self) -> usize {
        self.full_len.into()
    }

    /// After members got new prefixes.
    ///
    /// # Panics
    /// As [`Group::new`].
    pub fn set_full_len(&mut self, full_len: usize) {
        self.full_len = narrow(full_len);
    }

    /// Whether a channel that is opened now cannot become a member: the others hold future jobs
    /// that it cannot be given.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Until the future jobs end that there are now.
    pub fn close_to_joins(&mut self) {
        self.is_closed = !self.futures.is_empty();
    }

    /// Whether members have not been told of the present tip, for want of a job to name.
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// See [`Group::is_behind`].
    pub fn set_behind(&mut self, is_behind: bool) {
        self.is_behind = is_behind;
    }

    /// Some members leave for a group of their own, with the future jobs that they hold.
    ///
    /// # Panics
    /// As [`Group::new`].
    pub fn split(&mut self, id: u32, full_len: usize, members: &[u32]) -> Group {
        let mut moved = members.to_vec();
        moved.sort_unstable();
        moved.dedup();
        let group = Group {
            id,
            full_len: narrow(full_len),
            members: moved,
            futures: self.futures.clone(),
            is_closed: self.is_closed,
            is_behind: self.is_behind,
        };
        members.iter().for_each(|member| self.leave(*member));
        group
    }

    /// Ids of the member channels, ascending.
    pub fn members(&self) -> impl Iterator<Item = u32> + '_ {
        self.members.iter().copied()
    }

    /// Whether nobody would read a message to it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a channel.
    pub fn join(&mut self, channel_id: u32) {
        if let Err(at) = self.members.binary_search(&channel_id) {
            // Most have one.
            if self.members.is_empty() {
                self.members.reserve_exact(1);
            }
            self.members.insert(at, channel_id);
        }
    }

    /// Removes a channel; future jobs end with the last member.
    pub fn leave(&mut self, channel_id: u32) {
        if let Ok(at) = self.members.binary_search(&channel_id) {
            self.members.remove(at);
        }
        if self.members.is_empty() {
            self.forget_futures();
            self.is_behind = false;
        }
    }

    /// All members hold `job_id` as the future job of a template, in place of an earlier one.
    pub fn set_future(&mut self, template_id: u64, job_id: u32) {
        let others = self.futures.iter().filter(|(template, _)| *template != template_id);
        let kept_count = super::channel::Channel::JOBS_MAX - 1;
        let beyond = others.clone().count().saturating_sub(kept_count);
        self.futures = others.skip(beyond).copied().chain([(template_id, job_id)]).collect();
    }

    /// Templates are numbered anew: no future job will be named by its template any more.
    pub fn forget_futures(&mut self) {
        self.futures = Box::default();
        self.is_closed = false;
    }

    /// The future job of a template; with it all future jobs end (spec 5.3.17).
    pub fn take_future(&mut self, template_id: u64) -> Option<u32> {
        let named = self.futures.iter().find(|(template, _)| *template == template_id);
        let job_id = named.map(|(_, job)| *job);
        self.forget_futures();
        job_id
    }
}

fn narrow(full_len: usize) -> u8 {
    u8::try_from(full_len).expect("an extranonce has at most 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_for_a_group_of_its_own_keeps_future_jobs_and_leaves_none_to_nobody() {
        let mut group = Group::new(1, 20);
        group.join(2);
        group.set_future(10, 5);

        let mut moved = group.split(3, 20, &[2]);

        assert_eq!((moved.take_future(10), group.take_future(10)), (Some(5), None));
    }

    #[test]
    fn one_activation_ends_all_future_jobs() {
        let mut group = Group::new(1, 20);
        group.join(2);
        group.set_future(10, 5);
        group.set_future(11, 6);
        group.set_future(10, 7);

        assert_eq!(group.take_future(10), Some(7));
        assert_eq!(group.take_future(11), None);
    }

    #[test]
    fn a_group_without_members_holds_no_future_jobs() {
        let mut group = Group::new(1, 20);
        group.join(2);
        group.set_future(10, 5);
        group.leave(2);
        group.join(3);

        assert_eq!(group.take_future(10), None);
    }
}
