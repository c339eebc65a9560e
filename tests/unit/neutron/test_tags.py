# SPDX-License-Identifier: Apache-2.0
"""Which tags nobody but the Trove admin writes."""

import pytest

from nova_trove_guard.neutron import tags

KEY = 'trove_instance_id'


@pytest.mark.parametrize('tag', [
    'trove_instance_id_', 'Trove_Instance_ID_x', 'tróve_instance_id_x',
    'ｔｒｏｖｅ＿instance_id_x', 'trove_ınstance_ıd_x', 'trove_inﬆance_id_x',
    'trove_instance_iđ_x', '\x01trove\xad_instance\u0640_id_x',
    '\u200btrove_instance_id_x', '\x01trove_instance_id_x',
    'trove︳instance_id_x', 'trove_inßtance_id_x', 'trove_i㎱tance_id_x',
    'trove_instanc\u0364_id_x', '🅃rove_instance_id_x',
    'ʰtrove_instance_id_x'])
def test_what_a_collation_may_take_for_the_marker_is_one(tag):
    assert tags.may_be_taken_for_marker(tag, KEY)


@pytest.mark.parametrize('tag', [
    '', 'trove', 'trové', 'trove_instance_id', 'xtrove_instance_id_x',
    ' trove_instance_id_x', 'trove-instance-id-x', '0' * 60, '٣' * 17,
    'データベース' * 9, 'Ærø' * 20, 'база' * 15, '🔥🇩🇪' * 40,
    'ÄÖÜß', '⑩' * 4])
def test_other_tags_are_none(tag):
    assert not tags.may_be_taken_for_marker(tag, KEY)


def test_it_takes_no_longer_for_a_hostile_tag():
    assert not tags.may_be_taken_for_marker('ø' * 5000 + '!', 'o' * 20000)
