//! The password file of libpq: lines `host:port:database:user:password`, in which `*` stands for anything and a backslash
//! takes the next character as it is. The first line that fits counts.

/// Whom a password is for.
pub struct Login<'a> {
    /// The host's name; `localhost` for a Unix socket.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// The user.
    pub user: &'a str,
}

/// The password for a login in the text of such a file.
pub fn password(text: &str, login: &Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let wanted = [login.host, port.as_str(), login.database, login.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for value in wanted {
            let (field, after) = field(rest)?;
            if &rest[..rest.len() - after.len()] != "*:" && field != value {
                return None;
            }
            rest = after;
        }
        let password = unescaped(rest);
        (!password.is_empty()).then_some(password)
    })
}

/// The field up to the next colon, and what comes after that.
fn field(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((unescaped(&text[..end]), &text[end + 1..]))
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let next = || match characters.next()? {
        '\\' => characters.next(),
        other => Some(other),
    };
    std::iter::from_fn(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let text =
            "# h:1:d:u:comment\nbroken\nh:1:d\nh:1:d:other:no\n\\*:1:d:u:star\nh:1:d:u:se\\:cr\\\\et:s\n*:*:*:*:any\n";
        let login = |host, port| Login { host, port, database: "d", user: "u" };
        assert_eq!(password(text, &login("h", 1)).as_deref(), Some("se:cr\\et:s"));
        assert_eq!(password(text, &login("*", 1)).as_deref(), Some("star"));
        assert_eq!(password(text, &login("h", 2)).as_deref(), Some("any"));
        assert_eq!(password("a\\:b:*:*:*:ipv\n", &login("a:b", 5)).as_deref(), Some("ipv"));
        assert_eq!(password("", &login("h", 1)), None);
        assert_eq!(password("*:*:*:*:", &login("h", 1)), None);
    }
}
