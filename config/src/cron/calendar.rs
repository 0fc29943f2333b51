//! Days of the Gregorian calendar, counted from 1970-01-01.

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    /// 0 is 1970-01-01.
    pub(super) number: u64,
    pub(super) year: u64,
    /// 1 to 12.
    pub(super) month: u64,
    /// 1 to 31.
    pub(super) day: u64,
}

impl Date {
    /// The day of that number, by years that begin on 1 March (Hinnant's `civil_from_days`).
    pub(super) fn of(number: u64) -> Self {
        // From 0000-03-01; an era is 400 years.
        let from_march = number + 719_468;
        let (era, day_of_era) = (from_march / 146_097, from_march % 146_097);
        let leap_days = day_of_era / 1460 + day_of_era / 146_096;
        let year_of_era = (day_of_era + day_of_era / 36_524 - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        Self {
            number,
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
        }
    }

    /// 0 is Sunday; 1970-01-01 was a Thursday.
    pub(super) fn weekday(&self) -> u64 {
        (self.number + 4) % 7
    }

    pub(super) fn next_day(self) -> Self {
        if self.day < self.days_in_month() {
            return Self {
                number: self.number + 1,
                day: self.day + 1,
                ..self
            };
        }
        self.next_month()
    }

    /// The first day of the month after.
    pub(super) fn next_month(self) -> Self {
        Self {
            number: self.number + self.days_in_month() - self.day + 1,
            year: self.year + self.month / 12,
            month: self.month % 12 + 1,
            day: 1,
        }
    }

    fn days_in_month(&self) -> u64 {
        let each = |years| self.year.is_multiple_of(years);
        let leap = each(4) && (!each(100) || each(400));
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 31,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let date = |number| {
            let date = Date::of(number);
            (date.year, date.month, date.day, date.weekday())
        };
        assert_eq!(date(0), (1970, 1, 1, 4));
        assert_eq!(date(11_016), (2000, 2, 29, 2));
        assert_eq!(date(11_017), (2000, 3, 1, 3));
        assert_eq!(date(19_675), (2023, 11, 14, 2));
        assert_eq!(date(47_540), (2100, 2, 28, 0));
        assert_eq!(date(47_541), (2100, 3, 1, 1));
    }

    #[test]
    fn walking_is_counting() {
        let mut date = Date::of(0);
        // Until 2170: two centuries, one of them a leap year.
        for number in 0..200 * 366 {
            assert_eq!(date, Date::of(number));
            assert_eq!(date.next_month(), Date::of(date.next_month().number));
            assert_eq!(date.next_month().day, 1);
            date = date.next_day();
        }
    }
}
