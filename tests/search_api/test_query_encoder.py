"""What a mark that is in the register is searched with."""

from pathlib import Path

import numpy as np
import pytest

from indexer.errors import BadQuery
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from models.encoder import Embedding, Encoder
from search_api.query_encoder import stored_query


def test_a_mark_rewritten_while_it_is_searched_from_has_its_picture(
    encoder: Encoder, tmp_path: Path
) -> None:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    old, new = (Embedding.without_boxes(np.full(4, one, np.float16)) for one in (0.5, 1))
    register.add([EncodedMark(MarkRecord("a"), "d", embedding=old)])
    known = register.mark("a")
    register.add([EncodedMark(MarkRecord("a"), "e", embedding=new)])
    found = stored_query(register, encoder, known)
    assert found.embedding.vectors.tolist() == new.vectors.tolist()
    register.add([EncodedMark(MarkRecord("a"), "f")])
    with pytest.raises(BadQuery, match="has no picture"):
        stored_query(register, encoder, known)
    register.close()
