import cloudpickle

from borders import Count, checked


def test_what_a_script_checks_can_be_sent_to_another_process():
    def twice(n: Count) -> int:
        return 2 * n

    border = checked(twice)
    for _ in range(2):  # also once the checks were made
        sent = cloudpickle.loads(cloudpickle.dumps(border))
        assert sent(3) == border(3) == 6
