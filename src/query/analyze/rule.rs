//! The rules: their names, how bad it is, and what to say.

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement does not do what its text suggests, or does it to every row.
    Error,
    /// The statement gets slow as its tables grow.
    Warning,
    /// Worth a look.
    Info,
}

impl Severity {
    /// Its name in JavaScript.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// A rule. The first four give the advice of the original, in the order in which the original gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// `SELECT *` from a table.
    SelectStar,
    /// Three joins or more.
    ManyJoins,
    /// WHERE without LIMIT, whatever the WHERE says: advice only, because a look-up by a key needs no LIMIT.
    UnlimitedWhere,
    /// WHERE, and no index is spoken of: advice only, because it says nothing about the statement.
    UnknownIndex,
    /// A statement that returns rows of a table without a bound.
    MissingLimit,
    /// UPDATE of every row.
    UpdateWithoutWhere,
    /// DELETE of every row.
    DeleteWithoutWhere,
    /// LIKE with a pattern that starts with a wildcard.
    LeadingWildcard,
    /// A filter on a function of a column, or on arithmetic with it.
    FunctionOnColumn,
    /// A filter on a column that is cast.
    CastOnColumn,
    /// A filter whose constant makes the server cast the column.
    ImplicitCast,
    /// OFFSET over very many rows.
    DeepOffset,
    /// NOT IN (SELECT …).
    NotInSubquery,
    /// IN with a very long list.
    HugeInList,
    /// ORDER BY random().
    OrderByRandom,
    /// Tables that nothing joins.
    CartesianJoin,
    /// DISTINCT over a join of which only one table is read.
    DistinctOverJoin,
    /// OR between conditions on different columns.
    OrAcrossColumns,
    /// The same SELECT again and again in one trace; found at run time.
    NPlusOne,
    /// A WITH query that nothing reads.
    UnusedCte,
    /// `= NULL`.
    NullComparison,
    /// Counting rows to know whether there is one.
    CountForExistence,
    /// Literals that look pasted into the text.
    ConcatenatedLiterals,
    /// INSERT that trusts the order of the columns.
    InsertWithoutColumns,
}

impl Rule {
    /// Its name in JavaScript and in the documents.
    pub const fn id(self) -> &'static str {
        match self {
            Rule::SelectStar => "select-star",
            Rule::ManyJoins => "many-joins",
            Rule::UnlimitedWhere => "unlimited-where",
            Rule::UnknownIndex => "unknown-index",
            Rule::MissingLimit => "missing-limit",
            Rule::UpdateWithoutWhere => "update-without-where",
            Rule::DeleteWithoutWhere => "delete-without-where",
            Rule::LeadingWildcard => "leading-wildcard",
            Rule::FunctionOnColumn => "function-on-column",
            Rule::CastOnColumn => "cast-on-column",
            Rule::ImplicitCast => "implicit-cast",
            Rule::DeepOffset => "deep-offset",
            Rule::NotInSubquery => "not-in-subquery",
            Rule::HugeInList => "huge-in-list",
            Rule::OrderByRandom => "order-by-random",
            Rule::CartesianJoin => "cartesian-join",
            Rule::DistinctOverJoin => "distinct-over-join",
            Rule::OrAcrossColumns => "or-across-columns",
            Rule::NPlusOne => "n-plus-one",
            Rule::UnusedCte => "unused-cte",
            Rule::NullComparison => "null-comparison",
            Rule::CountForExistence => "count-for-existence",
            Rule::ConcatenatedLiterals => "concatenated-literals",
            Rule::InsertWithoutColumns => "insert-without-columns",
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Rule::UpdateWithoutWhere | Rule::DeleteWithoutWhere | Rule::NullComparison | Rule::CartesianJoin => {
                Severity::Error
            }
            Rule::ManyJoins
            | Rule::UnlimitedWhere
            | Rule::UnknownIndex
            | Rule::MissingLimit
            | Rule::DistinctOverJoin
            | Rule::OrAcrossColumns
            | Rule::CountForExistence
            | Rule::InsertWithoutColumns => Severity::Info,
            _ => Severity::Warning,
        }
    }

    /// Whether `analyze` reports it; the others are advice of `optimizeQuery` only.
    pub const fn is_finding(self) -> bool {
        !matches!(self, Rule::UnlimitedWhere | Rule::UnknownIndex)
    }

    /// Whether `optimizeQuery` says it. A missing LIMIT it says in the original's way, by [`Rule::UnlimitedWhere`].
    pub const fn is_advice(self) -> bool {
        !matches!(self, Rule::MissingLimit | Rule::NPlusOne)
    }

    /// What to say. The texts of the original's four kinds of advice are fixed.
    pub const fn message(self) -> &'static str {
        match self {
            Rule::SelectStar => {
                "Name the columns you need instead of selecting all of them: less to read, send and decode"
            }
            Rule::ManyJoins => {
                "Three or more joins: look at the plan (EXPLAIN ANALYZE), and consider splitting or denormalizing"
            }
            Rule::UnlimitedWhere => "WHERE without LIMIT: bound the number of rows the query can return",
            Rule::UnknownIndex => "Make sure that an index covers the columns in the WHERE clause",
            Rule::MissingLimit => "Nothing bounds the number of rows: add LIMIT, or read the rows as a stream",
            Rule::UpdateWithoutWhere => "UPDATE without WHERE changes every row of the table",
            Rule::DeleteWithoutWhere => {
                "DELETE without WHERE removes every row of the table; TRUNCATE is faster if so meant"
            }
            Rule::LeadingWildcard => {
                "A pattern that starts with a wildcard cannot use a B-tree index: use a trigram index (pg_trgm) or \
                 full-text search"
            }
            Rule::FunctionOnColumn => {
                "A function of a column, or arithmetic with it, hides the column from its index: compare the bare column, \
                 or index the expression"
            }
            Rule::CastOnColumn => {
                "A cast hides the column from its index: cast the value instead, or compare with a range"
            }
            Rule::ImplicitCast => {
                "The value is of another type than the column seems to be, so that the column is cast in every row: \
                 give a value of the column's type"
            }
            Rule::DeepOffset => {
                "The rows before OFFSET are read and thrown away: continue after the last key seen (WHERE key > $1)"
            }
            Rule::NotInSubquery => {
                "NOT IN (SELECT …) gives no row as soon as the subquery gives a NULL, and cannot become an anti-join: \
                 use NOT EXISTS"
            }
            Rule::HugeInList => {
                "A very long IN list is parsed and planned afresh for each length: pass one array, = ANY($1)"
            }
            Rule::OrderByRandom => {
                "ORDER BY random() reads and sorts every row: use TABLESAMPLE, or a random key and an index"
            }
            Rule::CartesianJoin => "Nothing joins this table with the others: every row is paired with every row",
            Rule::DistinctOverJoin => {
                "DISTINCT takes away rows that the join has multiplied: ask with EXISTS for the table that is only tested"
            }
            Rule::OrAcrossColumns => {
                "OR between conditions on different columns cannot use one index: use UNION of two queries, or an index \
                 for each column"
            }
            Rule::NPlusOne => {
                "The same SELECT ran again and again within one trace: ask for all rows at once, = ANY($1), or queue the \
                 queries before awaiting them"
            }
            Rule::UnusedCte => "Nothing reads this WITH query: remove it",
            Rule::NullComparison => "A comparison with NULL is never true: use IS NULL or IS NOT NULL",
            Rule::CountForExistence => "Counting reads all rows where the first one is enough: use EXISTS",
            Rule::ConcatenatedLiterals => {
                "The text looks put together from pieces: pass values as parameters, $1, which also closes the door to \
                 injection"
            }
            Rule::InsertWithoutColumns => {
                "INSERT without a column list breaks when the table changes: name the columns"
            }
        }
    }
}
