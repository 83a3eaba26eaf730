CREATE TABLE authors (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE books (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    author_id INTEGER NOT NULL REFERENCES authors (id),
    year INTEGER CHECK (year > 1400)
);

CREATE INDEX books_by_author ON books (author_id);

INSERT INTO authors (id, name) VALUES (1, 'Ada Example'), (2, 'Ben Sample');

SELECT authors.name, COUNT(*) AS books, MIN(books.year) AS first_year
FROM books
JOIN authors ON authors.id = books.author_id
WHERE books.year >= 1900
GROUP BY authors.name
HAVING COUNT(*) > 1
ORDER BY books DESC, authors.name;
