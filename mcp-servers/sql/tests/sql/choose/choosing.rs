//! The right one is chosen among several.

use ropewalk_sql::choose::{ChoiceError, Outcome};

use super::Library;

#[tokio::test]
async fn rows_that_most_agree_on_are_chosen_unless_they_do_not_fit() {
    let library = Library::open().await;
    let many = "SELECT count(*) FROM books";
    for (question, candidates, chosen) in [
        // Most agree.
        (
            "How many books are there?",
            vec!["SELECT count(*) FROM loans", many, many],
            1,
        ),
        // Nothing is no answer where something is.
        (
            "Which books have more than 550 pages?",
            vec![
                "SELECT title FROM books WHERE pages > 5500",
                "SELECT title FROM books WHERE pages > 550",
            ],
            1,
        ),
        // More than was asked for.
        (
            "What is the title of the longest book?",
            vec![
                "SELECT book_id, title, pages FROM books ORDER BY pages DESC LIMIT 1",
                "SELECT title FROM books ORDER BY pages DESC LIMIT 1",
            ],
            1,
        ),
        (
            "List the titles of all books.",
            vec!["SELECT * FROM books", "SELECT title FROM books"],
            1,
        ),
        // One number, different ones, an average.
        (
            "How many books are there?",
            vec!["SELECT title FROM books", many],
            1,
        ),
        (
            "Show the different countries of authors.",
            vec![
                "SELECT country FROM authors",
                "SELECT DISTINCT country FROM authors",
            ],
            1,
        ),
        (
            "What is the average number of pages?",
            vec![
                "SELECT sum(pages) FROM books",
                "SELECT avg(pages) FROM books",
            ],
            1,
        ),
        // The thing, not its key in another table.
        (
            "Which author has most books?",
            vec![
                "SELECT author FROM books GROUP BY author ORDER BY count(*) DESC LIMIT 1",
                "SELECT authors.name FROM books JOIN authors ON books.author = authors.author_id GROUP BY authors.author_id ORDER BY count(*) DESC LIMIT 1",
            ],
            1,
        ),
        // Joins: of two keys that have nothing to do with each other, with rows that have no partner.
        (
            "Which readers borrowed Orlando?",
            vec![
                "SELECT reader FROM loans JOIN books ON loans.loan_id = books.book_id - 9 WHERE title = 'Nana'",
                "SELECT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title = 'Orlando'",
            ],
            1,
        ),
        (
            "Show each author's number of books.",
            vec![
                "SELECT name, count(book_id) FROM authors LEFT JOIN books ON author = author_id AND year > 1900 GROUP BY author_id",
                "SELECT name, count(*) FROM authors JOIN books ON author = author_id GROUP BY author_id",
            ],
            1,
        ),
        // Conditions.
        (
            "Which readers borrowed both Orlando and Nana?",
            vec![
                "SELECT DISTINCT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title IN ('Orlando', 'Nana')",
                "SELECT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title = 'Orlando' INTERSECT SELECT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title = 'Nana'",
            ],
            1,
        ),
        (
            "Titles of books with at least 500 pages?",
            vec![
                "SELECT title FROM books WHERE pages > 500",
                "SELECT title FROM books WHERE pages >= 500",
            ],
            1,
        ),
        (
            "Titles of books that were never borrowed?",
            vec![
                "SELECT title FROM books WHERE book_id IN (SELECT book_id FROM loans)",
                "SELECT title FROM books WHERE book_id NOT IN (SELECT book_id FROM loans)",
            ],
            1,
        ),
        (
            "Titles that contain the letter d?",
            vec![
                "SELECT title FROM books WHERE title = 'Nana'",
                "SELECT title FROM books WHERE title LIKE '%d%'",
            ],
            1,
        ),
        // Orders.
        (
            "List the titles of books in descending order of pages.",
            vec![
                "SELECT title FROM books ORDER BY pages",
                "SELECT title FROM books ORDER BY pages DESC",
            ],
            1,
        ),
        (
            "What is the title of the book with the fewest pages?",
            vec![
                "SELECT title FROM books ORDER BY pages DESC LIMIT 1",
                "SELECT title FROM books ORDER BY pages LIMIT 1",
            ],
            1,
        ),
    ] {
        let choice = library.choice(question, &candidates).await.unwrap();
        assert_eq!(choice.index, chosen, "{question}: {:#?}", choice.considered);
        assert!(choice.confidence > 0.5 && choice.confidence <= 1.0);
        assert_eq!(choice.considered.len(), candidates.len());
    }
}

#[tokio::test]
async fn the_first_of_equals_is_chosen_and_what_fails_is_told() {
    let library = Library::open().await;
    let candidates = ["SELECT name FROM spaceships", "SELECT 1", "SELECT 2"];
    let choice = library.choice("", &candidates).await.unwrap();
    assert_eq!(choice.index, 1);
    assert!((choice.agreement - 1.0 / 3.0).abs() < 1e-9);
    let failed = &choice.considered[0].outcome;
    assert!(
        matches!(failed, Outcome::Failed(why) if why.contains("spaceships")),
        "{failed:?}"
    );
    assert_eq!(choice.considered[1].outcome, Outcome::Rows(1));

    let error = library.choice("", &candidates[..1]).await.unwrap_err();
    assert!(
        matches!(error, ChoiceError::NoAnswer { count: 1, .. }),
        "{error}"
    );
    let error = library.choice("", &[]).await.unwrap_err();
    assert!(matches!(error, ChoiceError::Nothing));
    library.cancel.cancel();
    let error = library.choice("", &["SELECT 1"]).await.unwrap_err();
    assert!(matches!(error, ChoiceError::Database(_)), "{error}");
}
