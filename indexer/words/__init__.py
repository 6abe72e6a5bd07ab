"""Words as people compare them: blind to case, accents and width, by spelling and by sound.

`forms` brings a text to its words and their spellings in Latin letters, and makes the keys under
which a word that is spelt or pronounced alike is found; `likeness` says how alike two texts are,
and why. Nothing here knows a database: `indexer.register.word_index` stores the keys.
"""
