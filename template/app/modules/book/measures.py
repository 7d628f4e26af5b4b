from app.core.measures import Counter

BOOKS_ADDED = Counter("books_added", "Books that were added to a catalogue.")
