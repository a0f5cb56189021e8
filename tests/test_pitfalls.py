"""The index of contract/PITFALLS.md: for each of its 131 items the test that keeps it from us."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LAST: Final = 131

PITFALLS: Final[dict[int, str]] = {
    # A. Verdicts without evidence
    1: "test_pitfall_1_3_4_without_log_and_metrics_nothing_is_claimed",
    2: "test_pitfall_2_without_log_and_metrics_the_report_is_an_error_not_an_empty_run",
    3: "test_pitfall_1_3_4_without_log_and_metrics_nothing_is_claimed",
    4: "test_pitfall_4_a_dataset_that_nobody_assessed_scores_nothing_and_asks_for_no_repair",
    5: "test_pitfall_5_a_trend_is_claimed_of_few_runs_without_one",
    6: "test_pitfall_6_a_true_fall_is_never_called_a_rise",
    7: "test_pitfall_7_runs_within_the_spread_of_seeds_are_tied",
    8: "test_pitfall_8_one_last_value_decides_nothing",
    9: "test_pitfall_9_the_verdict_covers_the_whole_series_whatever_lines_are_asked",
    10: "test_pitfall_10_the_spread_of_the_run_is_no_spike",
    11: "test_pitfall_11_a_first_loss_of_zero_does_not_spoil_the_rest",
    12: "test_pitfall_12_last_is_the_last_in_time",
    13: "test_pitfall_13_speeds_a_thousandth_apart_score_the_same",
    14: "test_pitfall_14_only_the_training_bar_is_training_progress",
    15: "test_pitfall_15_redraws_of_a_step_are_one_reading_and_the_last_loss_wins",
    16: "test_pitfall_6_16_the_score_of_convergence_is_not_shut_in_between_20_and_80",
    17: "test_pitfall_17_a_proposal_changes_something",
    18: "test_pitfall_18_one_mark_for_a_dataset_in_score_alerts_and_findings",
    19: "test_pitfall_19_without_an_evaluation_nothing_is_safe_to_export",
    20: "test_pitfall_20_a_run_with_a_warning_about_quality_is_not_ready",
    # B. Text matching
    21: "test_pitfall_21_nan_counts_only_as_the_trainers_own_message",
    22: "test_pitfall_22_words_beside_a_loss_are_not_its_value",
    23: "test_pitfall_21_22_23_24_harmless_words_match_nothing",
    24: "test_pitfall_21_22_23_24_harmless_words_match_nothing",
    25: "test_pitfall_25_rates_are_whole_numbers_of_the_text",
    26: "test_pitfall_26_named_losses_are_kept_apart",
    27: "test_pitfall_27_escape_sequences_are_stripped_before_anything_is_read",
    28: "test_pitfall_28_no_line_costs_more_than_its_length_deserves",
    29: "test_pitfall_29_a_long_text_of_the_backend_is_cut_in_every_place",
    30: "test_pitfall_30_lines_end_where_the_trainer_ends_them_only",
    31: "test_pitfall_31_a_hundred_redraws_are_one_line_and_leave_room_for_history",
    32: "test_pitfall_32_japanese_captions_are_neither_empty_nor_short",
    33: "test_pitfall_33_latin1_and_utf16_captions_are_read_as_what_they_are",
    34: "test_pitfall_34_goals_are_matched_by_words",
    35: "test_pitfall_35_numbers_are_not_dug_out_of_free_text",
    # C. Guardrails and monitoring
    36: "test_pitfall_36_throughput_that_collapses_fires_after_the_configured_number_of_polls",
    37: "test_pitfall_37_44_the_call_answers_before_its_limit_and_the_watch_goes_on",
    38: "test_pitfall_38_what_an_earlier_run_left_in_the_log_is_not_held_against_this_one",
    39: "test_pitfall_39_words_of_a_file_name_or_a_prompt_stop_nothing",
    40: "test_pitfall_40_a_job_that_waits_has_no_stall_clock",
    41: "test_pitfall_41_a_watch_that_sees_nothing_says_so_once_and_when_it_sees_again",
    42: "test_pitfall_42_a_log_that_is_junk_costs_that_look_its_log_only",
    43: "test_pitfall_43_a_stop_that_fails_is_tried_again_and_told",
    44: "test_pitfall_37_44_the_call_answers_before_its_limit_and_the_watch_goes_on",
    45: "test_pitfall_45_a_job_that_is_active_is_left_alone",
    46: "test_pitfall_46_another_config_of_the_same_job_name_is_refused_with_its_differences",
    47: "test_pitfall_47_the_queue_of_the_jobs_own_gpus_is_started",
    48: "test_pitfall_48_a_queued_job_is_reported_as_queued",
    49: "test_pitfall_49_four_starts_at_once_make_one_job_and_start_it_once",
    50: "test_pitfall_50_a_look_asks_five_routes_once_and_the_log_from_where_it_ended",
    # D. Security
    51: "test_pitfall_51_an_id_that_is_no_id_is_refused_before_anything_is_asked",
    52: "test_pitfall_52_a_download_stays_below_its_folder",
    53: "test_pitfall_53_the_name_of_a_config_is_no_path",
    54: "test_pitfall_54_a_dataset_is_one_folder_below_the_root",
    55: "test_pitfall_55_only_pictures_that_decode_are_saved",
    56: "test_pitfall_56_reports_stay_below_the_configured_folders",
    57: "test_pitfall_57_82_no_link_is_followed_and_no_pipe_is_waited_for",
    58: "test_pitfall_58_an_answer_says_taken_later_or_never_and_is_never_shown",
    59: "test_pitfall_59_a_scheme_other_than_https_is_refused_at_once",
    60: "test_pitfall_60_the_token_of_the_backend_is_sent_and_never_shown",
    61: "test_pitfall_61_odd_bytes_in_a_credential_are_answered_in_the_envelope",
    62: "test_pitfall_62_beyond_loopback_only_with_a_token",
    63: "test_pitfall_63_the_token_passes_in_either_header_and_any_case_of_the_scheme",
    64: "test_pitfall_64_the_right_most_untrusted_hop_of_a_trusted_peer_counts",
    65: "test_pitfall_65_failed_authentication_is_limited_and_closes_the_door_for_the_window",
    66: "test_pitfall_66_text_of_a_log_is_marked_as_data",
    # E. Errors and contract
    67: "test_pitfall_67_a_failing_tool_is_an_error_with_its_code",
    68: "test_pitfall_68_a_backend_that_does_not_answer_as_it_should_is_never_an_empty_answer",
    69: "test_pitfall_69_records_of_any_shape_cost_their_own_fields_only",
    70: "test_one_malformed_job_spoils_no_list",
    71: "test_pitfall_71_numbers_that_json_lacks_never_leave",
    72: "test_pitfall_72_a_job_whose_row_cannot_be_read_is_an_error_not_half_a_report",
    73: "test_pitfall_73_an_argument_of_the_wrong_type_is_refused_the_same_both_ways",
    74: "test_pitfall_73_74_115_a_wrong_value_is_refused_not_bent",
    75: "test_pitfall_75_a_number_of_lines_is_a_positive_integer_with_a_bound",
    76: "test_pitfall_76_a_run_named_twice_is_ranked_once",
    77: "test_pitfall_77_two_reports_of_one_second_have_two_names",
    78: "test_pitfall_78_impossible_steps_are_flagged_and_progress_stays_a_percentage",
    79: "test_reference_of_the_tools_is_made_from_the_schemas",
    80: "test_pitfall_80_health_is_liveness_and_ready_asks_the_backend",
    # F. Concurrency, performance, resources
    81: "test_pitfall_81_health_answers_64_clients_while_a_tool_computes",
    82: "test_pitfall_82_a_named_pipe_is_no_file_and_blocks_nothing",
    83: "test_pitfall_83_a_report_costs_few_requests_over_two_connections_each_thing_once",
    84: "test_pitfall_84_the_same_alert_accepted_often_at_once_is_sent_once",
    85: "test_pitfall_85_the_same_alert_of_another_run_is_no_duplicate",
    86: "test_pitfall_86_nothing_new_calls_nobody",
    87: "test_pitfall_87_what_is_no_alert_is_named_and_not_dropped_in_silence",
    88: "test_pitfall_88_all_tries_together_have_one_deadline",
    89: "test_pitfall_89_a_large_model_comes_by_reference_or_in_pieces",
    90: "test_pitfall_90_a_second_look_at_the_log_reads_only_what_is_new",
    91: "test_pitfall_91_headers_are_read_once_and_off_the_event_loop",
    # G. Datasets
    92: "test_pitfall_92_a_file_that_is_cut_off_is_found",
    93: "test_pitfall_93_pictures_of_equal_length_and_beginning_are_not_the_same",
    94: "test_pitfall_94_a_copy_that_was_compressed_again_is_found_with_the_one_to_keep",
    95: "test_pitfall_95_a_caption_that_another_file_needs_stays",
    96: "test_pitfall_96_a_picture_that_does_not_load_needs_no_caption",
    97: "test_pitfall_97_the_configured_extension_counts_in_any_case",
    98: "test_pitfall_98_nested_folders_are_walked_as_the_trainer_does",
    99: "test_pitfall_99_a_picture_of_too_many_pixels_is_not_called_broken",
    100: "test_pitfall_100_one_fault_refuses_all_and_nothing_is_written",
    101: "test_pitfall_101_the_trainers_list_of_sizes_is_left_to_the_trainer",
    102: "test_pitfall_102_generated_captions_are_marked_and_an_edited_one_is_a_persons",
    # H. Configs and models
    103: "test_pitfall_103_each_model_gets_its_own_architecture",
    104: "test_pitfall_104_a_saved_config_is_replaced_only_when_asked",
    105: "test_pitfall_105_impossible_numbers_are_refused_before_saving",
    106: "test_pitfalls_53_and_106_names_cannot_leave_the_folder",
    107: "test_pitfall_107_letters_stay_as_they_are",
    108: "test_pitfall_108_each_file_has_its_own_status",
    109: "test_pitfall_109_the_final_weights_are_taken_and_never_the_optimizer",
    110: "test_pitfall_110_what_tools_answer_is_a_name_and_no_path_of_the_server",
    111: "test_pitfall_111_info_comes_from_the_config_without_metadata",
    112: "test_pitfall_112_speed_comes_from_runs_of_this_machine_only",
    # I. Further proven items
    113: "test_pitfall_113_text_that_no_encoder_takes_is_replaced_and_answered",
    114: "test_pitfall_114_a_bad_body_is_400_in_the_envelope",
    115: "test_pitfall_73_74_115_a_wrong_value_is_refused_not_bent",
    116: "test_pitfall_116_one_dataset_counts_in_every_part_of_the_report",
    117: "test_pitfall_117_a_saved_config_counts_in_every_part_of_the_report",
    118: "test_pitfall_118_an_unknown_config_is_an_error",
    119: "test_pitfall_119_the_baseline_comparison_places_the_run_and_names_what_was_dropped",
    120: "test_pitfall_120_a_dataset_is_scanned_once_for_a_report",
    121: "test_pitfall_121_a_json_document_is_sent_once_unless_asked_for_twice",
    122: "test_pitfall_122_changing_the_forwarded_value_gains_nothing_and_memory_stays_bounded",
    123: "test_pitfall_123_a_job_that_has_ended_is_left_as_it_is",
    124: "test_pitfall_124_names_are_checked_before_anything_is_sent",
    125: "test_pitfall_125_one_bad_file_spoils_no_list_and_states_are_no_models",
    126: "test_pitfall_126_metadata_of_null_is_tolerated",
    127: "test_pitfall_127_a_part_of_the_pictures_is_said_to_be_one",
    128: "test_pitfall_128_formats_that_the_trainer_passes_over_are_reported",
    129: "test_pitfall_129_a_line_that_is_no_json_gets_a_parse_error_and_the_server_goes_on",
    130: "test_pitfall_130_a_machine_that_does_not_answer_costs_its_own_section_only",
    131: "test_pitfall_131_two_applies_at_once_are_kept_apart",
}

WATCH: Final[dict[int, str]] = {
    12: "test_pitfall_12_the_last_loss_is_the_last_in_time",
    14: "test_pitfall_14_15_the_speed_is_that_of_training_steps_each_counted_once",
    15: "test_pitfall_14_15_the_speed_is_that_of_training_steps_each_counted_once",
    38: "test_pitfall_38_a_job_that_waits_is_not_judged_by_its_earlier_run",
    41: "test_pitfall_41_42_a_look_that_fails_is_counted_told_and_made_good",
    42: "test_pitfall_41_42_a_look_that_fails_is_counted_told_and_made_good",
    44: "test_pitfall_44_the_last_look_comes_at_the_end_of_the_window_not_after_it",
    72: "test_pitfall_72_a_first_look_without_the_row_is_an_error_not_half_an_answer",
    74: "test_pitfall_74_a_number_out_of_range_is_refused_not_bent",
    83: "test_pitfall_83_a_watch_uses_two_connections_however_often_it_looks",
    116: "test_pitfall_116_117_118_one_config_and_one_dataset_count_in_the_whole_answer",
    117: "test_pitfall_116_117_118_one_config_and_one_dataset_count_in_the_whole_answer",
    118: "test_pitfall_116_117_118_one_config_and_one_dataset_count_in_the_whole_answer",
}
"""Where watching a run has the same to avoid in code of its own."""


def names_of_all_tests() -> set[str]:
    """Return the names of all test functions."""
    names: set[str] = set()
    for folder in (ROOT / "tests", *sorted((ROOT / "plugins").glob("*/tests"))):
        for file in folder.glob("test_*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return names


def test_every_pitfall_is_listed() -> None:
    assert sorted(PITFALLS) == list(range(1, LAST + 1))


def test_every_test_that_is_named_exists() -> None:
    names = names_of_all_tests()
    assert not {number: entry for number, entry in PITFALLS.items() if entry not in names}
    assert set(WATCH.values()) <= names
